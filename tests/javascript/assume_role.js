// What GitHub's configure-aws-credentials and amazon-ecr-login ask for, by the SDK that they are made with: keys of a role with the
// tags of a workflow's run, who they belong to, and a registry's password. Prints one JSON object.
import { ECRClient, GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import {
  AssumeRoleCommand,
  AssumeRoleWithWebIdentityCommand,
  GetCallerIdentityCommand,
  STSClient,
} from "@aws-sdk/client-sts";

const { roleArn, webIdentityToken, registryIds } = JSON.parse(process.argv[2]);
const tags = { GitHub: "Actions", Repository: "org/app", Branch: "refs/heads/main", Commit: "a".repeat(40) };
// The action sends its inputs that are empty as empty lists.
const members = {
  RoleArn: roleArn,
  RoleSessionName: "GitHubActions",
  DurationSeconds: 3600,
  PolicyArns: [],
};

const call = webIdentityToken
  ? new AssumeRoleWithWebIdentityCommand({ ...members, WebIdentityToken: webIdentityToken })
  : new AssumeRoleCommand({
      ...members,
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      TransitiveTagKeys: [],
    });
const { Credentials: keys } = await new STSClient({}).send(call);
const credentials = {
  accessKeyId: keys.AccessKeyId,
  secretAccessKey: keys.SecretAccessKey,
  sessionToken: keys.SessionToken,
};
const identity = await new STSClient({ credentials }).send(new GetCallerIdentityCommand({}));
const tokens = await new ECRClient({ credentials }).send(new GetAuthorizationTokenCommand({ registryIds }));
const { authorizationToken, proxyEndpoint } = tokens.authorizationData[0];
console.log(JSON.stringify({ arn: identity.Arn, authorizationToken, proxyEndpoint }));
