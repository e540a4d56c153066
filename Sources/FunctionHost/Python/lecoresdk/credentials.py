"""Access to the cloud, for functions that talk to it themselves."""

import os


class CredentialsMissing(Exception):
    """The function's environment holds no credentials."""


class CredentialProviderChain:
    """Credentials from the function's environment; there is no gateway here that could hand out others.

    Reads ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and, where there is one,
    ALIBABA_CLOUD_SECURITY_TOKEN, which `environment` in function.yaml sets.
    """

    def get_credential(self):
        """{"accessKeyId", "accessKeySecret", "securityToken"}; raises CredentialsMissing."""
        prefix = "ALIBABA_CLOUD_"
        identifier = os.environ.get(prefix + "ACCESS_KEY_ID")
        secret = os.environ.get(prefix + "ACCESS_KEY_SECRET")
        if not identifier or not secret:
            raise CredentialsMissing("set %sACCESS_KEY_ID and %sACCESS_KEY_SECRET" % (prefix, prefix))
        token = os.environ.get(prefix + "SECURITY_TOKEN", "")
        return {"accessKeyId": identifier, "accessKeySecret": secret, "securityToken": token}

    getCredential = get_credential
