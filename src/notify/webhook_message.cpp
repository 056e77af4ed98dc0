#include "notify/webhook_message.h"

#include "base/digest.h"
#include "base/random.h"

namespace slipway::notify {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kSecretBytes = 32;  // the standard allows 24 to 64

std::string print(fleet::WebhookFormat format, const Occurrence& occurrence, const std::string& id,
                  const json::Value& data) {
  const std::string time = base::format_rfc3339(occurrence.at);
  if (format == fleet::WebhookFormat::standard)
    return json::print_value(json::Object{{"type", occurrence.type}, {"timestamp", time}, {"data", data}});
  return json::print_value(json::Object{{"specversion", "1.0"},
                                        {"id", id},
                                        {"source", kEventSource},
                                        {"type", occurrence.type},
                                        {"subject", occurrence.subject},
                                        {"time", time},
                                        {"datacontenttype", "application/json"},
                                        {"data", data}});
}

}  // namespace

Message make_message(fleet::WebhookFormat format, const Occurrence& occurrence, const std::string& id) {
  Message message{.content_type = format == fleet::WebhookFormat::standard
                                      ? "application/json"
                                      : "application/cloudevents+json; charset=utf-8",
                  .body = print(format, occurrence, id, occurrence.data)};
  if (message.body.size() > kBodyMax)
    message.body = print(format, occurrence, id, json::Object{{"id", occurrence.subject}, {"truncated", true}});
  return message;
}

base::Secret make_webhook_secret() {
  return base::Secret(std::string(kSecretPrefix) +
                      base::base64(*base::from_base64url(base::random_token(kSecretBytes))));
}

std::string sign(const base::Secret& secret, const std::string& id, std::int64_t timestamp, const std::string& body) {
  const auto key = base::from_base64(std::string_view(secret.reveal()).substr(kSecretPrefix.size()));
  SLIPWAY_ASSERT(key.has_value());
  return "v1," + base::base64(base::hmac_sha256(*key, id + "." + std::to_string(timestamp) + "." + body));
}

net::Headers message_headers(const fleet::Delivery& delivery, base::Instant at, const std::string& signatures,
                             const std::string& user_agent) {
  net::Headers headers;
  headers.set("Content-Type", delivery.content_type);
  headers.set("User-Agent", user_agent);
  headers.set("webhook-id", delivery.id.str());
  headers.set("webhook-timestamp", std::to_string(base::to_unix_ms(at) / 1'000));
  headers.set("webhook-signature", signatures);
  return headers;
}

}  // namespace slipway::notify
