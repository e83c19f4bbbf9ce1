"""Affinity without state: who owns a digest, and tokens that nobody else can use."""

from collections import Counter
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st
from routing_world import NOW, eight_places, world

from intertie.core.principal import Principal
from intertie.policy.routing.affinity import TOKEN_LIFE_S, name_digest, rendezvous, sign, tenant, verify

PEPPER, OWNER, WALL = b"pepper", "group\x1fproject", 1_790_000_000.0
DIGESTS = [blake2b(str(number).encode(), digest_size=8).digest() for number in range(2_000)]


def test_a_token_names_its_endpoint_to_every_gateway_with_the_pepper_for_an_hour() -> None:
    token = sign(PEPPER, OWNER, "fra-edge", WALL)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert verify(PEPPER, OWNER, token, WALL) == "fra-edge"
    assert verify(PEPPER, OWNER, token, WALL + TOKEN_LIFE_S) == "fra-edge"
    assert verify(PEPPER, OWNER, token, WALL + TOKEN_LIFE_S + 1) is None
    assert verify(PEPPER, OWNER, token, WALL - 120) is None


def test_another_tenant_or_another_pepper_cannot_use_it() -> None:
    token = sign(PEPPER, OWNER, "fra-edge", WALL)
    assert verify(PEPPER, "group\x1fother", token, WALL) is None
    assert verify(b"other", OWNER, token, WALL) is None


@given(position=st.integers(4, 60), letter=st.sampled_from("ABCabc019-_"))
def test_a_token_changed_in_one_place_is_refused_or_means_the_same(position: int, letter: str) -> None:
    token = sign(PEPPER, OWNER, "fra-edge", WALL)
    forged = token[: position % len(token)] + letter + token[position % len(token) + 1 :]
    assert verify(PEPPER, OWNER, forged, WALL) in ({"fra-edge"} if forged == token else {None, "fra-edge"})
    assert verify(PEPPER, "another", forged, WALL) is None


@given(endpoint=st.text(min_size=1, max_size=8), other=st.text(min_size=1, max_size=8))
def test_the_signature_of_one_endpoint_is_none_for_another(endpoint: str, other: str) -> None:
    tokens = [sign(PEPPER, OWNER, name, WALL) for name in (endpoint, other)]
    assert (tokens[0][:24] == tokens[1][:24]) == (endpoint == other)


@given(st.text(max_size=80))
def test_garbage_is_no_token(text: str) -> None:
    assert verify(PEPPER, OWNER, text, WALL) is None
    assert verify(PEPPER, OWNER, "its_" + text, WALL) is None


def test_sessions_are_shared_within_a_group_and_project_and_else_belong_to_the_key() -> None:
    grouped = [Principal(key, "name", group="g", project="p") for key in ("k1", "k2")]
    alone = [Principal(key, "name") for key in ("k1", "k2")]
    assert tenant(grouped[0]) == tenant(grouped[1])
    assert len({tenant(one) for one in (*alone, grouped[0], Principal("k1", "n", group="g"))}) == 4
    assert name_digest("a", "chat-1") != name_digest("b", "chat-1")
    assert name_digest("a", "chat-1") == name_digest("a", "chat-1")


def test_digests_are_spread_evenly() -> None:
    table, states = world(eight_places())
    count = Counter(rendezvous(table.offers["chat"].rows, states, digest) for digest in DIGESTS)
    assert len(count) == 8
    assert max(count.values()) < 1.3 * len(DIGESTS) / 8


def test_a_place_that_goes_takes_only_its_own_digests_with_it() -> None:
    table, states = world(eight_places())
    rows = table.offers["chat"].rows
    for digest in DIGESTS[:300]:
        owner = rendezvous(rows, states, digest)
        for gone in rows:
            left = [row for row in rows if row is not gone]
            assert gone.id == owner or rendezvous(left, states, digest) == owner


def test_an_owner_with_more_than_its_share_passes_new_digests_on() -> None:
    table, states = world(eight_places())
    rows = table.offers["chat"].rows
    owner = rendezvous(rows, states, DIGESTS[0])
    for _ in range(6):
        states[owner].dispatched(NOW, 0, 0.1)
    assert rendezvous(rows, states, DIGESTS[0]) != owner
    for state in states.values():
        for _ in range(6):
            state.dispatched(NOW, 0, 0.1)
    for state in states.values():
        if state is not states[owner]:
            for _ in range(6):
                state.dispatched(NOW, 0, 0.1)
    assert rendezvous(rows, states, DIGESTS[0]) == owner
