"""What the fault suite is made of: a journal, pollers, a supervisor, faults to inject, and a checker of invariants."""
