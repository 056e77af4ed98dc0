#include "workflows/message_judgement.h"

#include "net/http.h"

namespace slipway::workflows {
namespace {

// What is quoted from a message may have a zero byte, which not every store can keep.
std::string storable(std::string text) {
  std::string clean;
  for (const char c : text)
    if (c == '\0')
      clean += "\uFFFD";
    else
      clean += c;
  return clean;
}

std::string_view field_of(const base::Error& error) {
  const auto* details = error.details().if_object();
  const auto* field = details ? details->if_contains("field") : nullptr;
  return field != nullptr && field->is_string() ? std::string_view(field->get_string()) : std::string_view();
}

// It has been refused: asks what is wrong from the outside in.
std::string_view reason_of(std::string_view data, const base::Error& error) {
  if (data.size() > kOrderBytesMax) return "too_large";
  if (!net::is_valid_utf8(data)) return "not_utf8";
  json::Value value;
  try {
    value = json::parse_value(data);
  } catch (const base::Error&) {
    return "not_json";
  }
  if (!value.is_object()) return "not_an_object";
  auto field = field_of(error);
  if (field.starts_with('/')) field.remove_prefix(1);
  if (!value.get_object().contains(field)) return "missing_field";
  return field == "tier" && value.get_object().at("tier").is_string() ? "unknown_tier" : "invalid_field";
}

}  // namespace

std::expected<Order, fleet::Refusal> judge_order(std::string_view data, const fleet::Tiers& tiers) {
  try {
    return read_order(data, tiers);
  } catch (const base::Error& error) {
    return std::unexpected(fleet::Refusal{std::string(reason_of(data, error)), storable(error.message())});
  }
}

}  // namespace slipway::workflows
