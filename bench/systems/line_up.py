"""Every system that can be measured, in the order of the tables."""

from bench.system import System
from bench.systems import direct, intertie, litellm, nginx, portkey, sglang_router, vllm_router

SYSTEMS: tuple[System, ...] = (
    direct.SYSTEM,
    nginx.SYSTEM,
    intertie.SYSTEM,
    sglang_router.SYSTEM,
    vllm_router.SYSTEM,
    portkey.SYSTEM,
    litellm.SYSTEM,
)
