//! What every executor is: the trait, requests, outcomes, the host side of the agent protocol, registry and chain.
