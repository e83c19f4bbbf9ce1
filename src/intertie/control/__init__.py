"""Floor 4: the control process: publishes snapshots, lends money, folds journals into the ledger, raises alerts.

The only process of a host that speaks to the database.
May import: everything below; of its neighbours, nothing.
"""
