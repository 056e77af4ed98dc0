#include "runner/redactor.h"

#include <algorithm>

#include "base/digest.h"
#include "base/json.h"
#include "base/secret.h"

namespace slipway::runner {

namespace {

// Shorter pieces of base64 might stand anywhere.
constexpr std::size_t kEncodedMin = 8;

std::string as_json(std::string_view text) {
  const auto quoted = json::print_value(json::Value(text));
  return quoted.substr(1, quoted.size() - 2);
}

// As Go's encoding/json has it, and so Terraform's jsonencode: fit for HTML besides.
std::string as_go_json(std::string_view text) {
  static const std::vector<std::pair<std::string_view, std::string_view>> kEscapes{
      {"&", "\\u0026"}, {"<", "\\u003c"}, {">", "\\u003e"}, {"\xE2\x80\xA8", "\\u2028"}, {"\xE2\x80\xA9", "\\u2029"}};
  auto json = as_json(text);
  for (const auto& [plain, escaped] : kEscapes)
    for (auto at = json.find(plain); at != json.npos; at = json.find(plain, at + escaped.size()))
      json.replace(at, plain.size(), escaped);
  return json;
}

// What base64 makes of `text` wherever it begins in a longer one: the characters that depend on `text` alone.
std::vector<std::string> base64_cores(std::string_view text) {
  std::vector<std::string> cores;
  for (std::size_t before = 0; before < 3; ++before) {
    const auto encoded = base::base64(std::string(before, '\0') + std::string(text));
    const std::size_t begin = before == 0 ? 0 : before + 1;
    const std::size_t end = (before + text.size()) * 8 / 6;
    if (end > begin) cores.push_back(encoded.substr(begin, end - begin));
  }
  return cores;
}

}  // namespace

void Redactor::add_spelling(std::string spelling) {
  if (spelling.size() < kLengthMin || std::ranges::find(spellings_, spelling) != spellings_.end()) return;
  const auto place = std::ranges::find_if(spellings_, [&](const auto& s) { return s.size() < spelling.size(); });
  first_bytes_.set(static_cast<unsigned char>(spelling[0]));
  spellings_.insert(place, std::move(spelling));
}

void Redactor::add(std::string_view secret) {
  if (secret.size() < kLengthMin) return;
  add_spelling(std::string(secret));
  for (std::size_t begin = 0; begin < secret.size();) {
    const auto end = std::min(secret.find_first_of("\r\n", begin), secret.size());
    add_spelling(std::string(secret.substr(begin, end - begin)));
    begin = end + 1;
  }
  add_spelling(as_json(secret));
  add_spelling(as_go_json(secret));
  for (auto& core : base64_cores(secret)) {
    if (core.size() < kEncodedMin) continue;
    auto for_urls = core;
    std::ranges::replace(for_urls, '+', '-');
    std::ranges::replace(for_urls, '/', '_');
    add_spelling(std::move(for_urls));
    add_spelling(std::move(core));
  }
}

void Redactor::add(const std::vector<fleet::NamedValue>& values) {
  for (const auto& value : values)
    if (value.sensitive) add(value.value);
}

std::string Redactor::redact(std::string_view text) const {
  std::string redacted(text);
  redact_in(redacted);
  return redacted;
}

void Redactor::redact_in(std::string& text) const {
  if (spellings_.empty()) return;
  std::string redacted;
  std::size_t kept = 0;  // what is before it has been copied
  for (std::size_t at = 0; at < text.size();) {
    const auto* found = first_bytes_[static_cast<unsigned char>(text[at])] ? spelling_at(text, at) : nullptr;
    if (!found) {
      ++at;
      continue;
    }
    redacted.append(text, kept, at - kept).append(base::kRedacted);
    at += found->size();
    kept = at;
  }
  if (kept > 0) text = redacted.append(text, kept);
}

const std::string* Redactor::spelling_at(std::string_view text, std::size_t at) const {
  for (const auto& spelling : spellings_)
    if (text.substr(at).starts_with(spelling)) return &spelling;
  return nullptr;
}

void Redactor::redact_in(std::vector<fleet::Resource>& resources) const {
  for (auto& resource : resources) {
    redact_in(resource.address);
    redact_in(resource.name);
    for (auto& [key, value] : resource.details) redact_in(value);
  }
}

}  // namespace slipway::runner
