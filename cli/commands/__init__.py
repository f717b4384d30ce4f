"""The subcommands, one module each; heavy imports are inside their functions."""
