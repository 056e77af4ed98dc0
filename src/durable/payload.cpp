#include "durable/payload.h"

#include "base/error.h"

namespace slipway::durable::payload {
namespace {

constexpr std::string_view kSecret = "$secret";
constexpr std::string_view kSealed = "$sealed";

// The text of {"<mark>": text}, or null.
const json::Value* marked(const json::Value& value, std::string_view mark) {
  const auto* object = value.if_object();
  if (object == nullptr || object->size() != 1) return nullptr;
  const auto* text = object->if_contains(mark);
  return text != nullptr && text->is_string() ? text : nullptr;
}

// A copy in which `change` replaces whatever it has an answer for.
template <class F>
json::Value changed(const json::Value& value, const F& change) {
  if (auto other = change(value)) return std::move(*other);
  if (const auto* object = value.if_object()) {
    json::Object copy;
    for (const auto& [name, member] : *object) copy.emplace(name, changed(member, change));
    return copy;
  }
  if (const auto* array = value.if_array()) {
    json::Array copy;
    for (const auto& element : *array) copy.push_back(changed(element, change));
    return copy;
  }
  return value;
}

std::string text_of(const json::Value& value) { return std::string(value.as_string()); }

}  // namespace

std::string to_stored(const json::Object& data, const Sealer* sealer) {
  auto text = json::print_value(data);
  if (text.find(kSecret) == std::string::npos) return text;  // nearly always
  return json::print_value(changed(data, [&](const json::Value& value) -> std::optional<json::Value> {
    const auto* secret = marked(value, kSecret);
    if (secret == nullptr) return std::nullopt;
    if (sealer == nullptr) throw base::internal_error("a step's result holds a secret, and there is no key to seal it");
    return json::Object{{kSealed, sealer->seal(base::Secret(text_of(*secret)))}};
  }));
}

json::Object from_stored(const std::string& text, const Sealer* sealer) {
  auto value = json::parse_value(text);
  if (sealer == nullptr || text.find(kSealed) == std::string::npos) return std::move(value.as_object());
  return changed(value,
                 [&](const json::Value& part) -> std::optional<json::Value> {
                   const auto* sealed = marked(part, kSealed);
                   if (sealed == nullptr) return std::nullopt;
                   return json::Object{{kSecret, sealer->unseal(text_of(*sealed)).reveal()}};
                 })
      .as_object();
}

json::Value shown(const json::Value& value) {
  return changed(value, [](const json::Value& part) -> std::optional<json::Value> {
    if (marked(part, kSecret) == nullptr && marked(part, kSealed) == nullptr) return std::nullopt;
    return json::Value(base::kRedacted);
  });
}

}  // namespace slipway::durable::payload
