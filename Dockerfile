# One image for every role; its argument is the role:
#   docker build -t chat4all . && docker run --rm chat4all --help
# run api, run gateway, run router, run connector, operator, migrate, simulator. docs/image.md says what is in it.
#
# BASE is any Debian with Python 3.11 or newer, and the venv module for the first stage.
ARG BASE=python:3.12-slim-bookworm

# Packages are checked by hash and installed with tools that stay in this stage.
FROM ${BASE} AS build
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/chat4all
COPY requirements /requirements
RUN /build/bin/python3 -m pip --disable-pip-version-check install --no-cache-dir --require-hashes --no-deps \
      -r /requirements/image-build.lock
RUN /build/bin/python3 -m pip --disable-pip-version-check --python /opt/chat4all/bin/python3 install \
      --no-cache-dir --no-compile --require-hashes --no-deps -r /requirements/image.lock
COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
COPY operator /source/operator
# The tools of developers stay out, and their commands with them; so do what packages bring for their own tests.
RUN cd /source && /build/bin/python3 -m hatchling build -t wheel -d /wheel && \
    /build/bin/python3 -m pip --disable-pip-version-check --python /opt/chat4all/bin/python3 install \
      --no-cache-dir --no-compile --no-index --no-deps /wheel/*.whl && \
    cd /opt/chat4all/lib/python3*/site-packages && \
    sed -i /chat4all_devtools/d chat4all-*.dist-info/entry_points.txt && \
    rm -rf chat4all_devtools && \
    find . -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + && \
    /opt/chat4all/bin/python3 -m compileall -q .

FROM ${BASE} AS app
ARG VERSION=0.0.0
ARG REVISION=unknown
# Who may write the code: root, or 10001 where a development loop copies sources into running containers.
ARG OWNER=root
LABEL org.opencontainers.image.title="Chat4All" \
      org.opencontainers.image.description="A messaging hub: every role, its argument says which" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/chat4all/chat4all" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
      /usr/lib/python3*/ensurepip /usr/share/python-wheels && \
    for name in test idlelib lib2to3 turtledemo; do rm -rf /usr/lib/python3*/$name /usr/local/lib/python3*/$name; done && \
    echo "chat4all:x:10001:10001::/nonexistent:/usr/sbin/nologin" >> /etc/passwd && \
    echo "chat4all:x:10001:" >> /etc/group
COPY --from=build --chown=${OWNER} /opt/chat4all /opt/chat4all
ENV PATH=/opt/chat4all/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["/opt/chat4all/bin/chat4all"]
CMD ["--help"]
