# Runs the trainer on NVIDIA GPUs, or without one on the CPU. Build it from the repository's root:
#   docker build -f docker/trainer.Dockerfile -t trainer .
#   docker run --gpus all -v /data:/data trainer --corpus /data/corpus --output /data/run
FROM pytorch/pytorch:2.10.0-cuda12.8-cudnn9-runtime

WORKDIR /opt/curation
# Only what the trainer reads: neither Beam nor an extractor comes along.
RUN pip install --no-cache-dir 'fsspec>=2026.1' 'matplotlib>=3.10,<4' 'numpy>=2,<2.5' 'nvidia-ml-py>=13' \
    'pyarrow>=25,<26' 'requests>=2.32,<3' 'safetensors>=0.7,<1' 'tensorboard>=2.20,<3' 'tokenizers>=0.23,<0.24' \
    'urllib3>=2,<3' 'xxhash>=4,<5' 'zstandard>=0.23,<1'
COPY LICENSE ./
COPY curation/__init__.py curation/manifest.py curation/shards.py curation/storage.py curation/versions.py ./curation/
COPY curation/remote ./curation/remote
COPY trainers ./trainers

ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m", "trainers.pretrain"]
