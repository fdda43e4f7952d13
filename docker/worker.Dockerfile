# Runs the pipelines: as the workers' SDK container of Dataflow, Flink and Spark, and as the launcher of a Dataflow Flex
# Template. Build it from the repository's root and tag it with the commit, since a worker must hold the code that
# launched it:
#   docker build -f docker/worker.Dockerfile -t REGION-docker.pkg.dev/PROJECT/REPO/curation:COMMIT .
ARG BEAM_VERSION=2.77.0
FROM apache/beam_python3.11_sdk:${BEAM_VERSION} AS beam
FROM gcr.io/dataflow-templates-base/python311-template-launcher-base:latest AS launcher

FROM python:3.11-slim
# fasttext comes as source.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
COPY --from=beam /opt/apache/beam /opt/apache/beam
COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher

WORKDIR /opt/curation
COPY pyproject.toml README.md LICENSE ./
COPY curation ./curation
COPY pipelines ./pipelines
COPY trainers ./trainers
COPY docker/launch.py ./launch.py
RUN pip install --no-cache-dir '.[gcp,aws]' && pip check

# Not pipelines/curate.py itself: Python would put its folder first on the path, where tokenize.py hides Python's own.
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/opt/curation/launch.py
ENTRYPOINT ["/opt/apache/beam/boot"]
