#pragma once
// What is sent: the body in either format, and the headers that prove where it comes from.
// Standard Webhooks (standardwebhooks.com): webhook-id, webhook-timestamp, webhook-signature. CloudEvents 1.0, JSON
// format, structured mode.

#include <string>
#include <vector>

#include "base/secret.h"
#include "fleet/webhook_delivery.h"
#include "net/http.h"
#include "notify/webhook_events.h"

namespace slipway::notify {

// Thin, as the standard asks: who wants more fetches it. A larger body says only what it is about.
inline constexpr std::size_t kBodyMax = 20'000;
// Where our CloudEvents come from; with their id it names an event.
inline constexpr std::string_view kEventSource = "/v1/events";

struct Message {
  std::string content_type;
  std::string body;
};
// `id` is the CloudEvent's.
Message make_message(fleet::WebhookFormat format, const Occurrence& occurrence, const std::string& id);

// whsec_ and the base64 of 32 random bytes.
base::Secret make_webhook_secret();
// v1, and the base64 of HMAC-SHA256 over id.timestamp.body.
std::string sign(const base::Secret& secret, const std::string& id, std::int64_t timestamp, const std::string& body);

// One signature for each secret, separated by spaces. `at` is the time of this attempt.
net::Headers message_headers(const fleet::Delivery& delivery, base::Instant at, const std::string& signatures,
                             const std::string& user_agent);

}  // namespace slipway::notify
