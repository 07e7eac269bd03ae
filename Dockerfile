# The web editor in a container:
#
#     docker build -t stylemap .
#     docker run -p 127.0.0.1:8000:8000 stylemap                     # then open http://localhost:8000
#
# For NVIDIA GPUs, with the container toolkit installed: the wheels of the package index bring CUDA along.
#
#     docker build -t stylemap:cuda --build-arg TORCH_INDEX=https://pypi.org/simple .
#     docker run --gpus all -p 127.0.0.1:8000:8000 stylemap:cuda
#
# Other commands: docker run -v "$PWD:/work" stylemap stylemap generate reconstruct --photos me.jpg --out out
ARG PYTHON=3.12
FROM python:${PYTHON}-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# libgl1 and libglib2.0-0 are what opencv-python asks for; g++ builds the kernels for CPUs when they are first needed.
RUN apt-get update && apt-get install -y --no-install-recommends g++ libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir --index-url "${TORCH_INDEX}" "torch>=2.12" torchvision
COPY . /src
RUN pip install --no-cache-dir "/src[web,heic,fast]" && rm -rf /src

RUN useradd --create-home stylemap
USER stylemap
WORKDIR /work
EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
    CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/api/info', timeout=4)"
CMD ["stylemap", "serve", "--host", "0.0.0.0"]
