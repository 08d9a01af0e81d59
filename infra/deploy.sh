#!/usr/bin/env bash
# Build a template for AWS and deploy it, asking before anything changes.
# usage: infra/deploy.sh TEMPLATE RUNTIME [more `sam deploy` options]; called by `make deploy`.
set -euo pipefail
cd "$(dirname "$0")/.."
template=${1:?a template, for instance infra/glucose.yaml} runtime=${2:?a runtime, for instance python3.13}
shift 2
name=$(basename "$template" .yaml)
sam=$(.venv/bin/python -m infra.tools sam)
export PYTHON=$PWD/.venv/bin/python PYTHON_VERSION=${runtime#python} SAM_CLI_TELEMETRY=0
settings=(--config-file "$PWD/samconfig.toml" --config-env aws)

"$sam" build "${settings[@]}" --template-file "$template" --build-dir ".aws-sam/$name" \
  --parameter-overrides "PythonRuntime=$runtime"
"$sam" deploy "${settings[@]}" --template-file ".aws-sam/$name/template.yaml" \
  --stack-name "quintet${name:+-${name/template/all}}" --parameter-overrides "PythonRuntime=$runtime" "$@"
