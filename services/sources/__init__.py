"""Sources: pages, sitemaps and folders whose documents the product follows by itself."""
