#include "google/oidc_verifier.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "base/digest.h"
#include "google/testing/fake_google.h"
#include "google/testing/signer.h"
#include "net/http_client.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;
using testing::FakeServer;
using testing::jwks;
using testing::KeyKind;
using testing::Signer;

constexpr const char* kAudience = "https://hub.example.com/pubsub/push";

// One of each for all tests: RSA keys take a while to make.
const Signer& rsa() {
  static const Signer signer("rsa-1");
  return signer;
}
const Signer& ec() {
  static const Signer signer("ec-1", KeyKind::p256);
  return signer;
}

struct OidcTest : ::testing::Test {
  FakeServer issuer;
  net::HttpClient http;
  testing::SetClock clock;
  OidcVerifier verifier{
      {.audience = kAudience, .jwks_url = issuer.url() + "/certs", .email = "push@p.iam.gserviceaccount.com"},
      http,
      clock};

  void SetUp() override { publish(jwks({rsa().jwk(), ec().jwk()})); }
  void publish(const std::string& document, const std::string& cache = "public, max-age=3600") {
    issuer.set([=](const net::Request&) { return net::Response{200, {{"Cache-Control", cache}}, document}; });
  }
  // As Pub/Sub's push sends them.
  json::Object claims() const {
    const auto now = base::to_unix_ms(clock.now()) / 1'000;
    return {{"iss", "https://accounts.google.com"},
            {"aud", kAudience},
            {"sub", "1"},
            {"email", "push@p.iam.gserviceaccount.com"},
            {"email_verified", true},
            {"iat", now - 60},
            {"exp", now + 3'590}};
  }
  json::Object with(const char* name, json::Value value) const {
    json::Object result = claims();
    result[name] = std::move(value);
    return result;
  }
  json::Object without(const char* name) const {
    json::Object result = claims();
    result.erase(name);
    return result;
  }
  std::int64_t seconds(base::Duration ago) const { return base::to_unix_ms(clock.now() - ago) / 1'000; }
  // The reason of the refusal; empty: taken.
  std::string refusal(const std::string& token) {
    try {
      verifier.verify(token);
      return "";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), "UNAUTHENTICATED") << error.what();
      EXPECT_EQ(error.error_class(), base::ErrorClass::user);
      if (token.size() > 20) {
        EXPECT_FALSE(error.message().contains(token.substr(0, 20)));
      }
      return error.message();
    }
  }
  std::string refusal_of(const json::Object& claims) { return refusal(rsa().sign(claims)); }
};

TEST_F(OidcTest, TakesWhatGoogleSigned) {
  const auto taken = verifier.verify(rsa().sign(claims()));
  EXPECT_EQ(taken.email, "push@p.iam.gserviceaccount.com");
  EXPECT_TRUE(taken.email_verified);
  EXPECT_EQ(taken.subject, "1");
  EXPECT_EQ(taken.expires_at, clock.now() + 3590s);
  EXPECT_EQ(refusal(ec().sign(claims(), "ES256")), "");
  EXPECT_EQ(refusal_of(with("iss", "accounts.google.com")), "");
}

TEST_F(OidcTest, RefusesOthersClaims) {
  for (const auto& bad :
       {with("iss", "https://accounts.google.com.evil.example"), with("iss", ""), without("iss"), with("iss", 7),
        with("aud", "https://hub.example.com/pubsub/push/"), with("aud", "https://hub.example.com"), without("aud"),
        with("aud", json::Array{kAudience}), with("email", "other@p.iam.gserviceaccount.com"), without("email"),
        with("email_verified", false), without("email_verified"), with("email_verified", 1)})
    EXPECT_NE(refusal_of(bad), "") << json::print_value(bad);
}

TEST_F(OidcTest, AllowsClocksToDifferALittle) {
  EXPECT_EQ(refusal_of(with("exp", seconds(29s))), "");
  EXPECT_NE(refusal_of(with("exp", seconds(30s))), "");
  EXPECT_EQ(refusal_of(with("iat", seconds(-30s))), "");
  EXPECT_NE(refusal_of(with("iat", seconds(-31s))), "");
  EXPECT_EQ(refusal_of(with("nbf", seconds(-30s))), "");
  EXPECT_NE(refusal_of(with("nbf", seconds(-60s))), "");
  for (const char* name : {"exp", "iat"})
    for (const json::Value& bad :
         {json::Value("1700000000"), json::Value(-1), json::Value(1e300), json::Value(nullptr)})
      EXPECT_NE(refusal_of(with(name, bad)), "") << name << json::print_value(bad);
  EXPECT_NE(refusal_of(without("exp")), "");
  EXPECT_NE(refusal_of(with("nbf", "soon")), "");
}

TEST_F(OidcTest, TheKeyDecidesHowATokenIsVerified) {
  const json::Object good = claims();
  EXPECT_NE(refusal(testing::unsigned_token({{"alg", "none"}, {"kid", "rsa-1"}}, good)), "");
  EXPECT_NE(refusal(testing::unsigned_token({{"alg", "none"}, {"kid", "rsa-1"}}, good) + "AAAA"), "");
  EXPECT_NE(refusal(testing::unsigned_token({{"alg", "RS256"}, {"kid", "rsa-1"}}, good)), "");
  for (const std::string& secret : {json::print_value(rsa().jwk()), std::string(rsa().jwk().at("n").as_string())})
    EXPECT_NE(refusal(testing::hmac_token("rsa-1", secret, good)), "");
  // A signature that is good, of an algorithm that is not this key's.
  EXPECT_NE(refusal(rsa().sign(good, "PS256")), "");
  EXPECT_NE(refusal(rsa().sign(good, "RS512")), "");
  EXPECT_NE(refusal(rsa().sign_with_head({{"alg", "RS256"}, {"kid", "ec-1"}}, good)), "");
  EXPECT_NE(refusal(ec().sign_with_head({{"alg", "ES256"}, {"kid", "rsa-1"}}, good)), "");
}

TEST_F(OidcTest, KeysOfOtherKindsAreNotUsed) {
  const Signer weak("weak", KeyKind::rsa_weak), p384("p384", KeyKind::p384);
  json::Value for_encryption = rsa().jwk();
  for_encryption.as_object()["use"] = "enc";
  const json::Object symmetric{{"kty", "oct"}, {"kid", "oct"}, {"k", base::base64url("secret secret secret secret")}};
  publish(jwks({weak.jwk(), p384.jwk(), for_encryption, symmetric, "nonsense", json::Object{{"kty", "RSA"}}}));
  EXPECT_NE(refusal(weak.sign(claims())), "");
  EXPECT_NE(refusal(p384.sign(claims(), "ES384")), "");
  EXPECT_NE(refusal(rsa().sign(claims())), "");
  EXPECT_NE(refusal(testing::hmac_token("oct", "secret secret secret secret", claims())), "");
}

TEST_F(OidcTest, RefusesWhatWasChangedOnTheWay) {
  const std::string good = rsa().sign(claims());
  const auto first = good.find('.'), second = good.rfind('.');
  EXPECT_NE(refusal(good.substr(0, second - 1) + good.substr(second)), "");
  EXPECT_NE(refusal(good.substr(0, second + 1) + rsa().sign(with("sub", "2")).substr(second + 1)), "");
  EXPECT_NE(
      refusal(good.substr(0, first + 1) + base::base64url(json::print_value(with("sub", "2"))) + good.substr(second)),
      "");
  EXPECT_NE(refusal(Signer("rsa-1").sign(claims())), "") << "another's key under a known id";
}

TEST_F(OidcTest, RefusesWhatIsNoToken) {
  const std::string good = rsa().sign(claims());
  const auto head = [](const std::string& text) { return base::base64url(text); };
  const std::string body = head(json::print_value(claims()));
  for (const std::string& bad : std::vector<std::string>{
           "",
           ".",
           "..",
           "...",
           "a.b.c",
           good + ".",
           "." + good,
           good + "\n",
           " " + good,
           good + "=",
           std::string(1 << 20, 'a'),
           std::string(20'000, '.'),
           head("[]") + "." + body + ".AAAA",
           head(R"({"alg":"RS256","kid":"rsa-1","alg":"none"})") + "." + body + ".AAAA",
           head(R"({"alg":"RS256","kid":"rsa-1","crit":["exp"]})") + "." + body + ".AAAA",
           head(R"({"alg":"RS256","kid":"rsa-1","b64":false})") + "." + body + ".AAAA",
           head(R"({"alg":["RS256"],"kid":"rsa-1"})") + "." + body + ".AAAA",
           head(R"({"alg":"RS256"})") + "." + body + ".AAAA",
           head(R"({"alg":"RS256","kid":"rsa-1"})") + "." + head(R"({"exp":1,"exp":2})") + ".AAAA",
           head(R"({"alg":"RS256","kid":"rsa-1"})") + "." + head("{\"a\":" + std::string(100, '[')) + ".AAAA",
           head(R"({"alg":"RS256","kid":"rsa-1"})") + "." + head("\xff\xfe") + ".AAAA"})
    EXPECT_NE(refusal(bad), "") << bad.substr(0, 100);
  EXPECT_EQ(issuer.count(), 0u) << "what is no token costs no fetch";
}

// ---- the issuer's keys

TEST_F(OidcTest, KeysAreFetchedOnceForAsLongAsTheyMayBeKept) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(refusal(rsa().sign(claims())), "");
  clock.advance(59min);
  EXPECT_EQ(refusal(rsa().sign(claims())), "");
  EXPECT_EQ(issuer.count(), 1u);
  clock.advance(2min);
  EXPECT_EQ(refusal(rsa().sign(claims())), "");
  EXPECT_EQ(issuer.count(), 2u);
}

TEST_F(OidcTest, ANewKeyIsFetchedWhenItIsFirstSeen) {
  EXPECT_EQ(refusal(rsa().sign(claims())), "");
  clock.advance(10s);
  const Signer next("rsa-2");
  publish(jwks({next.jwk()}));
  EXPECT_EQ(refusal(next.sign(claims())), "");
  EXPECT_NE(refusal(rsa().sign(claims())), "") << "and an old one that is gone is not used";
}

TEST_F(OidcTest, MadeUpKeyIdsDoNotStormTheIssuer) {
  for (int i = 0; i < 50; ++i)
    EXPECT_NE(refusal(rsa().sign_with_head({{"alg", "RS256"}, {"kid", "x" + std::to_string(i)}}, claims())), "");
  EXPECT_EQ(issuer.count(), 1u);
  EXPECT_EQ(refusal(rsa().sign(claims())), "");
}

TEST_F(OidcTest, OldKeysServeWhileTheIssuerIsDown) {
  EXPECT_EQ(refusal(rsa().sign(claims())), "");
  issuer.set([](const net::Request&) { return net::Response{503, {}, ""}; });
  clock.advance(2h);
  EXPECT_EQ(refusal(rsa().sign(claims())), "");
  EXPECT_EQ(refusal(rsa().sign(claims())), "");
  EXPECT_EQ(issuer.count(), 2u);
  clock.advance(24h);
  try {
    verifier.verify(rsa().sign(claims()));
    ADD_FAILURE();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "KEYS_UNAVAILABLE");
    EXPECT_EQ(error.error_class(), base::ErrorClass::transient);
  }
}

TEST_F(OidcTest, ADocumentThatIsNoneIsNoReasonToTakeATokenOrToForgetKeys) {
  for (const char* document : {"", "<html>", "[]"}) {
    OidcVerifier fresh({.audience = kAudience, .jwks_url = issuer.url()}, http, clock);
    publish(document);
    EXPECT_THROW(fresh.verify(rsa().sign(claims())), base::Error) << document;
  }
}

TEST_F(OidcTest, ManyThreadsFetchKeysOnce) {
  std::vector<std::jthread> threads;
  std::atomic<int> taken = 0;
  const std::string token = rsa().sign(claims());
  std::latch start(8);
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      verifier.verify(token);
      ++taken;
    });
  threads.clear();
  EXPECT_EQ(taken, 8);
  EXPECT_EQ(issuer.count(), 1u);
}

TEST_F(OidcTest, AVerifierWithoutAnAudienceIsNotMade) {
  EXPECT_THROW(OidcVerifier({.audience = ""}, http, clock), base::Error);
  EXPECT_THROW(OidcVerifier({.audience = "a", .jwks_url = "http://keys.example.com"}, http, clock), base::Error);
}

}  // namespace
}  // namespace slipway::google
