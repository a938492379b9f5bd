FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
RUN python -m venv --without-pip /opt/polint \
    && python -m pip --python /opt/polint/bin/python install --no-cache-dir --no-compile /wheels/*.whl
# The user below cannot write beside polint: what Python and polint keep there is made here.  A layer may keep
# whole seconds only, and files of another time would be compiled again in every run.
RUN find /opt/polint -type f -exec touch -d "2020-01-01 00:00:00" {} + \
    && /opt/polint/bin/python -m compileall -q /opt/polint \
    && /opt/polint/bin/polint rules > /dev/null

FROM python:3.13-slim
COPY --from=build /opt/polint /opt/polint
ENV PATH="/opt/polint/bin:$PATH"
WORKDIR /project
USER 65534:65534
ENTRYPOINT ["polint"]
CMD ["lint"]
