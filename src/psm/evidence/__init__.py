"""From a chapter's measurements to a verdict: registry, measurements, statistics, the rule, the ledger."""
