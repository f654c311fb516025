# Stage clickhouse: the server of docker-compose.yml, which looks for unfinished inserts before it starts.
FROM clickhouse/clickhouse-server:26.9 AS clickhouse
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*
COPY marketprism/embedded/unfinished.py monitors/clickhouse/start.sh /opt/marketprism/
ENTRYPOINT ["/opt/marketprism/start.sh"]

# One image for the collector, the storage service and the monitors: the command chooses.
FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock ./
RUN pip install --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY marketprism marketprism
COPY collector collector
COPY storage_service storage_service
COPY monitors monitors
COPY migrations migrations
COPY sql sql
RUN pip install --no-deps --no-build-isolation --editable . \
    && useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin marketprism

USER 10001
ENV MARKETPRISM_METRICS_HOST=0.0.0.0
ENTRYPOINT ["marketprism"]
CMD ["--help"]
