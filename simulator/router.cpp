#include "simulator/router.h"

#include <algorithm>
#include <charconv>

#include "base/digest.h"

namespace slipway::simulator {

namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// "ws-1:start" is "ws-1" and "start".
std::pair<std::string_view, std::string_view> split_verb(std::string_view segment) {
  const std::size_t colon = segment.rfind(':');
  if (colon == std::string_view::npos) return {segment, {}};
  return {segment.substr(0, colon), segment.substr(colon + 1)};
}

}  // namespace

// ---- Call

std::string Call::name(std::size_t parts) const {
  std::string joined;
  const std::size_t count = request.segments.size();
  // "compute/v1" or "v1"
  const std::size_t first = !request.segments.empty() && request.segments[0] == "v1" ? 1 : 2;
  for (std::size_t i = first; i < count && (parts == 0 || i < first + parts); ++i) {
    if (!joined.empty()) joined += '/';
    joined += i + 1 == count ? split_verb(request.segments[i]).first : request.segments[i];
  }
  return joined;
}

std::string Call::query(std::string_view name, std::string_view otherwise) const {
  return request.query_value(name).value_or(std::string(otherwise));
}

bool Call::query_flag(std::string_view name) const {
  const std::string text = query(name, "false");
  return text == "true" || text == "True" || text == "1";
}

json::Value Call::body() const {
  if (request.body.empty()) return json::Object{};
  try {
    json::Value value = json::parse_value(request.body);
    if (!value.is_object()) throw Failure(Code::invalid_argument, "Invalid JSON payload received. Expected an object.");
    return value;
  } catch (const base::Error& error) {
    throw Failure(Code::invalid_argument, "Invalid JSON payload received. " + error.message());
  }
}

Terms Call::terms() const {
  Terms terms{.now = now, .user = user, .validate_only = query_flag("validateOnly"), .etag = query("etag")};
  if (fault) terms.plan = plan_of(*fault);
  return terms;
}

// ---- Router

void Router::add(Route route) {
  auto entry = std::make_unique<Entry>();
  entry->segments = split(std::string_view(route.pattern).substr(1), '/');
  std::string& last = entry->segments.back();
  if (last == "{rest*}") {
    entry->takes_rest = true;
    entry->segments.pop_back();
  } else {
    const auto [head, verb] = split_verb(last);
    entry->verb = verb;
    last = std::string(head);
  }
  entry->route = std::move(route);
  entries_.push_back(std::move(entry));
}

const Route* Router::find(const net::Request& request, std::map<std::string, std::string>& parameters) const {
  const std::string_view method = net::to_string(request.method);
  std::vector<std::string_view> segments(request.segments.begin(), request.segments.end());
  std::string_view verb;
  for (const auto& entry : entries_) {
    if (entry->route.method != method) continue;
    if (!entry->takes_rest && !segments.empty() && verb.empty())
      std::tie(segments.back(), verb) = split_verb(segments.back());
    if (matches(*entry, segments, verb)) {
      for (std::size_t i = 0; i < entry->segments.size(); ++i) {
        const std::string& wanted = entry->segments[i];
        if (wanted.starts_with('{')) parameters[wanted.substr(1, wanted.size() - 2)] = segments[i];
      }
      return &entry->route;
    }
  }
  return nullptr;
}

bool Router::matches(const Entry& entry, const std::vector<std::string_view>& segments, std::string_view verb) {
  const auto& wanted = entry.segments;
  if (entry.takes_rest ? segments.size() < wanted.size() : segments.size() != wanted.size() || entry.verb != verb)
    return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].starts_with('{') && wanted[i] != segments[i]) return false;
  }
  return true;
}

// ---- pages

Page read_page(const Call& call, std::size_t size_default, std::size_t size_max) {
  Page page{.size = size_default};
  const std::string size = call.query("pageSize", call.query("maxResults"));
  if (!size.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), number);
    if (error != std::errc() || end != size.data() + size.size() || number < 0)
      throw invalid_argument("page_size", "must be a number that is not negative");
    if (number > 0) page.size = std::min(std::size_t(number), size_max);
  }
  if (const std::string token = call.query("pageToken"); !token.empty()) {
    const auto after = base::from_base64url(token);
    if (!after) throw invalid_argument("page_token", "is invalid");
    page.after = *after;
  }
  return page;
}

std::string page_token(const std::string& last_name) { return base::base64url(last_name); }

}  // namespace slipway::simulator
