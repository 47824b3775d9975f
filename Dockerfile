# RetinaForge on a CPU. For a GPU, build with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/retinaforge
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir "torch>=2.6,<2.14" --index-url "$TORCH_INDEX" \
    && pip install --no-cache-dir ".[diffusers]" "torch>=2.6,<2.14"
RUN useradd --create-home forge
USER forge
WORKDIR /home/forge
ENTRYPOINT ["retinaforge"]
CMD ["doctor"]
