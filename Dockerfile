# Two images: `service`, the gRPC front without TensorFlow, and `worker`, which computes.
#   docker build --target service --tag convscope-service .
#   docker build --target worker --tag convscope-worker .

FROM python:3.12-slim AS pins
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY pyproject.toml requirements.lock ./
COPY deploy/requirements.py deploy/

FROM pins AS wheel
RUN python deploy/requirements.py build > build.txt \
 && pip install --require-hashes --requirement build.txt
COPY LICENSE README.md ./
COPY protos protos
COPY client client
COPY store store
COPY service service
COPY worker worker
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# The versions are those of requirements.lock, every file checked against its hash. The project comes last, so that a
# change of its code does not reinstall everything.
FROM pins AS build-service
RUN python -m venv /opt/convscope \
 && python deploy/requirements.py service > service.txt \
 && /opt/convscope/bin/pip install --require-hashes --requirement service.txt
COPY --from=wheel /wheels /wheels
RUN /opt/convscope/bin/pip install --no-deps /wheels/*.whl

FROM pins AS build-worker
RUN python -m venv /opt/convscope \
 && python deploy/requirements.py worker > worker.txt \
 && /opt/convscope/bin/pip install --require-hashes --requirement worker.txt
COPY --from=wheel /wheels /wheels
RUN /opt/convscope/bin/pip install --no-deps /wheels/*.whl

FROM python:3.12-slim AS base
RUN useradd --system --uid 10001 --create-home convscope \
 && install --directory --owner convscope --mode 0750 /artifacts
ENV PATH=/opt/convscope/bin:$PATH PYTHONUNBUFFERED=1 CONVSCOPE_ARTIFACTS_URL=file:///artifacts
USER 10001
WORKDIR /home/convscope
# A new named volume takes its owner from this folder, so both images can write to it.
VOLUME /artifacts
ENTRYPOINT ["convscope"]

FROM base AS service
COPY --from=build-service /opt/convscope /opt/convscope
ENV CONVSCOPE_LISTEN=0.0.0.0:50051
EXPOSE 50051
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-m", "convscope.service.health", "localhost:50051"]

FROM base AS worker
COPY --from=build-worker /opt/convscope /opt/convscope
# MNIST is CC BY-SA 3.0, not MIT: see its README.
COPY data/mnist /usr/share/convscope/mnist
ENV CONVSCOPE_DATA=/usr/share/convscope TF_CPP_MIN_LOG_LEVEL=2
CMD ["worker"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
  CMD ["python", "-m", "convscope.worker.supervisor.health"]
