#!/usr/bin/env bash
# Deploy the glucose room to a real AWS account, send it one request, delete it again.
# usage: infra/try_on_aws.sh, after `make setup`, with AWS credentials and AWS_REGION; a few cents at most.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${AWS_REGION:?set it to the region to try}"
unset AWS_ENDPOINT_URL
python=$PWD/.venv/bin/python sam=$("$PWD/.venv/bin/python" -m infra.tools sam)
stage=try$RANDOM built=.aws-sam/try runtime=python3.13
stack=quintet-$stage
export AWS_DEFAULT_REGION=$AWS_REGION SAM_CLI_TELEMETRY=0 PYTHON=$python PYTHON_VERSION=${runtime#python}

ask() { "$python" -c "import boto3; print($1)"; }
account=$(ask 'boto3.client("sts").get_caller_identity()["Account"]')
logs=$(ask '"false" if boto3.client("apigateway").get_account().get("cloudwatchRoleArn") else "true"')
echo "Account $account, region $AWS_REGION, stack $stack."
if [ "$logs" = true ]; then
  echo "The account has no role yet by which API Gateway writes logs: one is made, and stays."
fi
read -rp "Enter goes on, Ctrl-C does not. "

settings=(--config-file "$PWD/samconfig.toml" --config-env aws)
"$sam" build "${settings[@]}" --template-file infra/glucose.yaml --build-dir "$built" \
  --parameter-overrides "PythonRuntime=$runtime"
delete() { "$sam" delete --stack-name "$stack" --region "$AWS_REGION" --no-prompts || echo "Delete $stack yourself." >&2; }
trap delete EXIT
"$sam" deploy "${settings[@]}" --template-file "$built/template.yaml" --stack-name "$stack" --region "$AWS_REGION" \
  --no-confirm-changeset --parameter-overrides \
  "PythonRuntime=$runtime Stage=$stage LogRetentionDays=1 ApiLogs=$logs"

"$python" - "$stack" <<'PYTHON'
import json, sys
import boto3, httpx

stack = boto3.client("cloudformation").describe_stacks(StackName=sys.argv[1])["Stacks"][0]
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
keys = boto3.client("secretsmanager").get_secret_value(SecretId=outputs["ApiKeysSecretArn"])["SecretString"]
body = json.load(open("tests/events/glucose/api/quick_plot.json"))["body"]
headers = {"X-API-Key": keys.splitlines()[0], "Content-Type": "application/json"}
answer = httpx.post(outputs["ApiUrl"] + "/quick_plot", content=body, headers=headers, timeout=60)
print(answer.status_code, json.dumps(answer.json().get("forecast", answer.text), indent=1))
answer.raise_for_status()
PYTHON
