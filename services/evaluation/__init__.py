"""Search quality on judged data: reading BEIR folders, running them through the product, and the metrics."""
