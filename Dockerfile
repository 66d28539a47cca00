# One image for portal, worker, relay and migrations; docker-compose.yml says which container does what.
FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
 && uv venv /opt/slipway/venv \
 && uv pip sync --quiet --require-hashes --python /opt/slipway/venv/bin/python \
      requirements/dev.txt requirements/node.txt requirements/go.txt
ENV PATH=/opt/slipway/venv/bin:$PATH
COPY . .
RUN python -m portal.build_static \
 && export SLIPWAY_TOOLS_DIR=/opt/slipway/tools \
 && python -m workers.engine.pulumi_cli \
 && python -m workers.toolchain opa \
 && python -m workers.policy_compiler.curated \
 && python -m hatchling build -t wheel
# A release key of your own: --secret id=release-key,src=FILE; without one the build makes a key that stays behind here.
RUN --mount=type=secret,id=release-key \
    if [ -f /run/secrets/release-key ]; then export SLIPWAY_RELEASE_KEY=/run/secrets/release-key; fi \
 && uv pip install --quiet --no-deps --python /opt/slipway/venv/bin/python dist/*.whl \
 && slipway asset pack blueprints --output build/curated

FROM python:3.13-slim-trixie
RUN apt-get update \
 && apt-get install --yes --no-install-recommends bubblewrap git haproxy \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/ /tmp/requirements/
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements/run.txt
COPY --from=build /opt/slipway/tools /opt/slipway/tools
COPY --from=build /src/build/curated /opt/slipway/curated
COPY --from=build /src/dist/*.whl /tmp/
RUN pip install --no-cache-dir --no-deps /tmp/*.whl && rm -r /tmp/*.whl /tmp/requirements
ENV SLIPWAY_DATA=/data SLIPWAY_TOOLS_DIR=/opt/slipway/tools SLIPWAY_CURATED_DIR=/opt/slipway/curated
VOLUME /data
EXPOSE 8000 8080
CMD ["slipway", "serve"]
