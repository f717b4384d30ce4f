"""Work in a process of its own: it may be killed, run out of memory or crash, and only its task is lost."""
