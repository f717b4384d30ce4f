# The product's image: web server, worker and keeper are the same image with another command (docker-compose.yml).
# Redis is not in it. The model all-MiniLM-L6-v2 is: a package carries it, so nothing is fetched at run time.

FROM python:3.12-slim AS build
# Index that torch comes from; empty: pip's own, whose build for Linux brings several GB of CUDA along.
ARG TORCH_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/nearfield
ENV PATH=/opt/nearfield/bin:$PATH

# Packages before sources, so that a change of code builds in seconds.
COPY pyproject.toml constraints.txt ./
COPY scripts/pins.py scripts/
RUN pip install --no-deps ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "$(grep '^torch==' constraints.txt)"
RUN python scripts/pins.py > requirements.txt \
 && pip install -c constraints.txt setuptools -r requirements.txt

COPY README.md LICENSE ./
COPY services services
COPY workers workers
COPY web web
COPY cli cli
RUN pip install --no-deps --no-build-isolation . \
 && pip uninstall --yes pip


FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home nearfield \
 && install --directory --owner=nearfield --mode=0700 /data
COPY --from=build /opt/nearfield /opt/nearfield
COPY scripts/health.py /opt/nearfield/health.py
# Models named by hub name are kept beside the data, so that they survive a new container.
ENV PATH=/opt/nearfield/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/data/models \
    NEARFIELD_DATA_DIR=/data \
    NEARFIELD_BIND=0.0.0.0:8080
USER nearfield
WORKDIR /home/nearfield
VOLUME /data
EXPOSE 8080
CMD ["python", "-m", "web.main"]
