#include "google/jws.h"

#include "base/digest.h"
#include "google/json_reading.h"
#include "google/oidc_verifier.h"

namespace slipway::google {

namespace {

json::Value parse_part(std::string_view part, const char* what) {
  const auto decoded = base::from_base64url(part);
  if (!decoded) refuse_token(std::string("its ") + what + " is no base64url");
  json::Value value;
  try {
    value = json::parse_value(*decoded);
  } catch (const base::Error&) {
    refuse_token(std::string("its ") + what + " is no JSON");
  }
  if (!value.is_object()) refuse_token(std::string("its ") + what + " is no object");
  return value;
}

}  // namespace

void refuse_token(const std::string& why) {
  throw base::Error(base::ErrorClass::user, "UNAUTHENTICATED", "the token is refused: " + why);
}

Jws parse_jws(std::string_view token) {
  if (token.size() > kTokenBytesMax) refuse_token("it is too large");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    refuse_token("it has not three parts");
  const json::Value head = parse_part(token.substr(0, first), "head");
  // RFC 7515 §4.1.11: who does not understand an extension that is critical must refuse. RFC 7797's "b64" is one.
  if (!member(head, "crit").is_null() || !member(head, "b64").is_null()) refuse_token("it has critical extensions");
  if (!base::from_base64url(token.substr(second + 1)) || second + 1 == token.size()) refuse_token("it is not signed");
  return {text(member(head, "alg")), text(member(head, "kid")),
          parse_part(token.substr(first + 1, second - first - 1), "body")};
}

}  // namespace slipway::google
