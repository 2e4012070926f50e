# JupyterLab with the course, in the versions of constraints.txt; for JupyterHub, or alone:
#   docker build -t deepstrf-lab . && docker run --rm -p 8888:8888 deepstrf-lab
FROM python:3.11-slim-bookworm

# Debian keeps no older versions that could be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git libsndfile1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 jovyan
WORKDIR /home/jovyan/deepstrf-lab
COPY --chown=jovyan . .

# torch for the CPU first: the default wheel brings some gigabytes of CUDA along.
RUN python -m pip install --no-cache-dir "$(grep '^uv==' constraints.txt)" \
    && uv pip install --system --no-cache --torch-backend cpu "$(grep '^torch==' constraints.txt)" \
    && python -m pip install --no-cache-dir -c constraints.txt '.[hub]'
USER 1000
ENV OMP_NUM_THREADS=1 JUPYTER_CONFIG_PATH=/home/jovyan/deepstrf-lab/widgets/jupyter/hub:/home/jovyan/deepstrf-lab/widgets/jupyter
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb"]
