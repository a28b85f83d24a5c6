"""Read by gunicorn from its working directory: the API is an ASGI application, and the document's command names no worker
class. The Flask application's command names its own."""

worker_class = "uvicorn.workers.UvicornWorker"
worker_tmp_dir = "/dev/shm"
accesslog = "-"
