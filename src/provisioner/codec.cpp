#include "provisioner/codec.h"

#include "provisioner/log_text.h"
#include "provisioner/session_order.h"

namespace slipway::provisioner {
namespace {

constexpr std::size_t kShownMax = 200;  // of a line that cannot be read

// "ParseComplete" is "parseComplete" on the wire.
std::string wire_type(std::string_view name) {
  std::string type(name);
  type[0] = char(type[0] - 'A' + 'a');
  return type;
}

template <class T>
std::string type_of() {
  return wire_type(json_type_name(static_cast<const T*>(nullptr)));
}

template <class T>
std::string encode_one(const T& message) {
  json::Object object{{"type", type_of<T>()}};
  for (auto& [key, value] : json::to_value(message).as_object()) object.emplace(key, std::move(value));
  // Names and messages come from files and programs of strangers: one bad byte would end the session.
  return valid_utf8(json::print_value(object)) + '\n';
}

// The alternative of `Any` (a variant) that has this type, read; and the names of all for who has none.
template <class Any>
std::optional<Any> read_as(std::string_view type, const json::Value& value, std::string& known) {
  std::optional<Any> found;
  boost::mp11::mp_for_each<boost::mp11::mp_transform<std::type_identity, Any>>([&](auto kind) {
    using T = typename decltype(kind)::type;
    const std::string name = type_of<T>();
    known += (known.empty() ? "" : ", ") + name;
    if (name == type) found = json::from_value<T>(value, json::Mode::lenient, json::kRoot);
  });
  return found;
}

json::Value read_line(std::string_view line) {
  if (line.size() > kLineMax) throw protocol_error("a line is longer than 64 MiB");
  json::Value value = json::parse_value(line, "the line");
  if (!value.is_object()) throw protocol_error("a line must be a JSON object with a member 'type'");
  return value;
}

std::string read_type(const json::Value& value) {
  const auto* type = value.get_object().if_contains("type");
  if (type == nullptr || !type->is_string()) throw protocol_error("a message must have a member 'type', a string");
  return std::string(type->get_string());
}

// Says which line it was: its author looks for it.
template <class Read>
auto reading(std::string_view line, Read read) {
  try {
    return read(read_line(line));
  } catch (const base::Error& error) {
    std::string shown = clean_line(line.substr(0, kShownMax));
    if (line.size() > kShownMax) shown += "…";
    throw protocol_error(error.message() + "; the line was: " + shown);
  }
}

base::Error unknown_type(const std::string& type, const std::string& known) {
  return protocol_error("'" + type + "' is no type of message that is expected here; known: " + known);
}

}  // namespace

std::string encode(const Request& request) {
  return std::visit([](const auto& kind) { return encode_one(kind); }, request);
}
std::string encode(const StateKept& kept) { return encode_one(kept); }
std::string encode(const Message& message) {
  return std::visit([](const auto& kind) { return encode_one(kind); }, message);
}

std::variant<Request, StateKept> decode_request(std::string_view line) {
  return reading(line, [](const json::Value& value) -> std::variant<Request, StateKept> {
    const std::string type = read_type(value);
    if (type == type_of<StateKept>()) return StateKept{};
    std::string known;
    if (auto request = read_as<Request>(type, value, known)) return std::move(*request);
    throw unknown_type(type, known);
  });
}

Message decode_message(std::string_view line) {
  return reading(line, [](const json::Value& value) {
    const std::string type = read_type(value);
    std::string known;
    if (auto message = read_as<Message>(type, value, known)) return std::move(*message);
    throw unknown_type(type, known);
  });
}

}  // namespace slipway::provisioner
