"""Celery workers: thin tasks over the services, and the keeper's process."""
