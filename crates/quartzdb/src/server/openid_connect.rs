//! Single sign-on by OpenID Connect: the authorization code flow with PKCE.
//!
//! What the provider is like is discovered when somebody first signs in, and again every hour. Its keys are
//! fetched with that, and once more when a token is signed with one that is not among them.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthType, AuthorizationCode,
    ClaimsVerificationError, Client, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields,
    IdTokenVerifier, IssuerUrl, JsonWebKeySet, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse as _, TokenUrl, UserInfoClaims,
    UserInfoError, UserInfoUrl,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod,
        CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm as Alg, CoreProviderMetadata, CoreRevocableToken,
        CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
    url::Url,
};
use quartz_core::store::BoxFuture;
use quartz_service::{Handshake, Identity, IdentityFault, IdentityProvider, person::SsoSettings};
use reqwest::redirect;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{
    courier::cause,
    tls::{self, Trust},
};

/// Until a request is given up: a browser waits, and two or three come after each other.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The longest answer of a provider.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long what was discovered is taken on trust.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// Pause after a discovery that failed, if there is an older one.
const PAUSE: Duration = Duration::from_secs(60);
/// Pause after a discovery that failed, if there is none.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Tokens with unknown keys make us ask for keys no more often.
const KEYS_PAUSE: Duration = Duration::from_secs(60);

/// How tokens may be signed: with a key pair. With a shared secret (`HS256`) or not at all (`none`) anybody
/// could who has seen the provider's public key, or nothing.
const ALGORITHMS: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];

type Fault = IdentityFault;
type Metadata = Arc<CoreProviderMetadata>;
type Verifier = IdTokenVerifier<'static, CoreJsonWebKey>;

/// Claims beside those that the standard names.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OtherClaims(Map<String, Value>);

impl AdditionalClaims for OtherClaims {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        OtherClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        Alg,
    >,
    CoreTokenType,
>;

type RelyingParty = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A provider that people sign in at.
pub(super) struct OpenIdConnect {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    redirect: RedirectUrl,
    scopes: Vec<Scope>,
    groups_claim: String,
    http: Http,
    discovered: Mutex<Discovered>,
}

/// What is known of a provider.
struct Discovered {
    metadata: Option<Metadata>,
    /// Why there is none.
    fault: String,
    /// When to ask again.
    due: Instant,
    /// From when on unknown keys are a reason to ask for keys.
    keys_due: Instant,
}

impl OpenIdConnect {
    /// The provider that an operator has named, whose browsers come back to `public_url`.
    pub(super) fn new(settings: &SsoSettings, public_url: &str) -> anyhow::Result<Self> {
        let issuer = IssuerUrl::new(settings.issuer.clone()).context("--oidc-issuer is no URL")?;
        let redirect = RedirectUrl::new(format!("{public_url}/v1/auth/sso/callback"))?;
        let secret = settings.client_secret.as_ref();
        let now = Instant::now();
        Ok(Self {
            http: Http::new(issuer.url())?,
            issuer,
            client_id: ClientId::new(settings.client_id.clone()),
            client_secret: secret.map(|secret| ClientSecret::new(secret.expose().to_owned())),
            redirect,
            scopes: settings.scopes.iter().cloned().map(Scope::new).collect(),
            groups_claim: settings.groups_claim.clone(),
            discovered: Mutex::new(Discovered {
                metadata: None,
                fault: String::new(),
                due: now,
                keys_due: now,
            }),
        })
    }

    /// What the provider is like; one request at a time finds out.
    async fn metadata(&self) -> Result<Metadata, Fault> {
        let mut known = self.discovered.lock().await;
        if Instant::now() >= known.due {
            let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
            let now = Instant::now();
            match found.map_err(|error| chain(&error)).and_then(sound) {
                Ok(metadata) => {
                    known.metadata = Some(Arc::new(metadata));
                    known.due = now + FRESH;
                }
                Err(fault) => {
                    tracing::warn!(%fault, issuer = %self.issuer.as_str(), "discovery failed");
                    let has_older = known.metadata.is_some();
                    known.due = now + if has_older { PAUSE } else { FIRST_PAUSE };
                    known.fault = fault;
                }
            }
        }
        let metadata = known.metadata.clone();
        metadata.ok_or_else(|| Fault::Unavailable(known.fault.clone()))
    }

    /// What the provider is like with its keys of now; `None` if it was asked a moment ago.
    async fn with_newer_keys(&self, tried: &Metadata) -> Result<Option<Metadata>, Fault> {
        let mut known = self.discovered.lock().await;
        if let Some(newer) = known
            .metadata
            .as_ref()
            .filter(|one| !Arc::ptr_eq(one, tried))
        {
            return Ok(Some(Arc::clone(newer)));
        }
        let now = Instant::now();
        if now < known.keys_due {
            return Ok(None);
        }
        known.keys_due = now + KEYS_PAUSE;
        let keys = JsonWebKeySet::fetch_async(tried.jwks_uri(), &self.http).await;
        let keys = keys.map_err(|error| Fault::Unavailable(chain(&error)))?;
        let newer = Arc::new(CoreProviderMetadata::clone(tried).set_jwks(keys));
        known.metadata = Some(Arc::clone(&newer));
        Ok(Some(newer))
    }

    fn relying_party(&self, metadata: &CoreProviderMetadata) -> RelyingParty {
        let (id, secret) = (self.client_id.clone(), self.client_secret.clone());
        let party = RelyingParty::from_provider_metadata(metadata.clone(), id, secret);
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        let auth = match takes(CoreClientAuthMethod::ClientSecretBasic) {
            true => AuthType::BasicAuth,
            false => AuthType::RequestBody,
        };
        party
            .set_redirect_uri(self.redirect.clone())
            .set_auth_type(auth)
    }

    /// Checks signature, issuer, audience and time. As for a client without a secret: no secret makes a
    /// signature good.
    fn verifier(&self, metadata: &CoreProviderMetadata) -> Verifier {
        let (issuer, keys) = (self.issuer.clone(), metadata.jwks().clone());
        IdTokenVerifier::new_public_client(self.client_id.clone(), issuer, keys)
            .set_allowed_algs(ALGORITHMS)
    }

    async fn authorize(&self, handshake: Handshake) -> Result<String, Fault> {
        let metadata = self.metadata().await?;
        let verifier = PkceCodeVerifier::new(handshake.verifier);
        let (state, nonce) = (handshake.state, handshake.nonce);
        let (url, _, _) = self
            .relying_party(&metadata)
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }

    async fn trade(&self, code: String, handshake: Handshake) -> Result<Identity, Fault> {
        let mut metadata = self.metadata().await?;
        let party = self.relying_party(&metadata);
        let request = party.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|error| Fault::Unavailable(error.to_string()))?;
        let tokens = request
            .set_pkce_verifier(PkceCodeVerifier::new(handshake.verifier))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(error) => Fault::Unavailable(error.to_string()),
                other => Fault::Refused(format!("the code was not traded: {other}")),
            })?;
        let token = tokens.id_token();
        let token = token.ok_or_else(|| Fault::Refused("there is no id_token".to_owned()))?;
        let nonce = Nonce::new(handshake.nonce);
        let mut claims = token.claims(&self.verifier(&metadata), &nonce);
        if is_unknown_key(&claims)
            && let Some(newer) = self.with_newer_keys(&metadata).await?
        {
            metadata = newer;
            claims = token.claims(&self.verifier(&metadata), &nonce);
        }
        let claims = claims.map_err(|error| Fault::Refused(chain(&error)))?;
        if let Some(expected) = claims.access_token_hash() {
            let verifier = self.verifier(&metadata);
            let hash = || -> anyhow::Result<AccessTokenHash> {
                let (alg, key) = (token.signing_alg()?, token.signing_key(&verifier)?);
                Ok(AccessTokenHash::from_token(
                    tokens.access_token(),
                    alg,
                    key,
                )?)
            };
            if !hash().is_ok_and(|hash| hash == *expected) {
                return Err(Fault::Refused("at_hash is another token's".to_owned()));
            }
        }
        let mut identity = Identity {
            subject: claims.subject().to_string(),
            email: claims.email().map(|email| email.to_string()),
            email_verified: claims.email_verified(),
            groups: self.groups(claims.additional_claims()).unwrap_or_default(),
        };
        let says_groups = self.groups(claims.additional_claims()).is_some();
        // Providers may keep what a scope asks for out of the token (OpenID Connect Core, section 5.4).
        if (identity.email.is_none() || !says_groups)
            && let Ok(request) = party.user_info(
                tokens.access_token().clone(),
                Some(claims.subject().clone()),
            )
        {
            let info = request.request_async(&self.http).await;
            let info: UserInfoClaims<OtherClaims, CoreGenderClaim> =
                info.map_err(|error| match error {
                    UserInfoError::Request(error) => Fault::Unavailable(error.to_string()),
                    other => Fault::Refused(format!("userinfo: {}", chain(&other))),
                })?;
            if identity.email.is_none() {
                identity.email = info.email().map(|email| email.to_string());
                identity.email_verified = info.email_verified();
            }
            if !says_groups {
                identity.groups = self.groups(info.additional_claims()).unwrap_or_default();
            }
        }
        Ok(identity)
    }

    /// The groups among claims, which are a list or a single one; `None` if the claim is not there.
    fn groups(&self, claims: &OtherClaims) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match claims.0.get(&self.groups_claim)? {
            Value::Array(groups) => Some(groups.iter().filter_map(text).collect()),
            other => Some(text(other).into_iter().collect()),
        }
    }
}

impl IdentityProvider for OpenIdConnect {
    fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    fn sign_in_url(&self, handshake: Handshake) -> BoxFuture<'_, Result<String, Fault>> {
        Box::pin(self.authorize(handshake))
    }

    fn identify(
        &self,
        code: String,
        handshake: Handshake,
    ) -> BoxFuture<'_, Result<Identity, Fault>> {
        Box::pin(self.trade(code, handshake))
    }
}

fn is_unknown_key<T>(verified: &Result<T, ClaimsVerificationError>) -> bool {
    let unknown = SignatureVerificationError::NoMatchingKey;
    matches!(verified, Err(ClaimsVerificationError::SignatureVerification(error)) if *error == unknown)
}

/// Metadata whose addresses may all be gone to.
fn sound(metadata: CoreProviderMetadata) -> Result<CoreProviderMetadata, String> {
    let token = metadata.token_endpoint().map(TokenUrl::url);
    let userinfo = metadata.userinfo_endpoint().map(UserInfoUrl::url);
    let authorization = Some(metadata.authorization_endpoint().url());
    for url in [authorization, token, userinfo].into_iter().flatten() {
        check_transport(url)?;
    }
    token.ok_or("the provider has no token endpoint")?;
    Ok(metadata)
}

/// Secrets go over TLS, or do not leave the machine.
pub(super) fn check_transport(url: &Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback => Ok(()),
        _ => Err(format!(
            "{url}: an identity provider is spoken to over https, over http only on this machine"
        )),
    }
}

/// An error with what has led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(deeper) = at {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        at = deeper.source();
    }
    text
}

/// Sends requests to a provider. Where it is, the operator has said: it may be in their own network.
struct Http(reqwest::Client);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct HttpFault(String);

impl Http {
    fn new(issuer: &Url) -> anyhow::Result<Self> {
        let trust = match issuer.scheme() {
            "https" => Trust::System,
            _ => Trust::Nobody,
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(trust).map_err(anyhow::Error::msg)?)
            // A secret goes where it is sent and nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("QuartzDB/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let fault = |error: reqwest::Error| HttpFault(cause(&error));
        let request = reqwest::Request::try_from(request).map_err(fault)?;
        check_transport(request.url()).map_err(HttpFault)?;
        let mut answer = self.0.execute(request).await.map_err(fault)?;
        let mut response = http::Response::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        while let Some(chunk) = answer.chunk().await.map_err(fault)? {
            if response.body().len() + chunk.len() > ANSWER_BYTES_MAX {
                let most = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(HttpFault(most));
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpFault;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpFault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

#[cfg(test)]
#[path = "openid_connect_test.rs"]
mod tests;
