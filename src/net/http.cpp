#include "net/http.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace slipway::net {

namespace {

constexpr std::array kMethodNames{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "LOCK", "UNLOCK"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; }

bool is_token(std::string_view text) {
  constexpr std::string_view kSpecial = "!#$%&'*+-.^_`|~";  // RFC 9110 section 5.6.2
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || kSpecial.contains(c);
  });
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

void check_field(std::string_view name, std::string_view value) {
  if (!is_token(name)) throw base::internal_error("a header's name is no token");
  if (std::ranges::any_of(value, [](char c) { return is_control(c) && c != '\t'; }))
    throw base::internal_error("the header " + std::string(name) + " has a control character in its value");
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

base::Error malformed(std::string reason) {
  return base::Error(base::ErrorClass::user, "MALFORMED_REQUEST", std::move(reason));
}

std::string decode_clean(std::string_view text, std::string_view what) {
  auto decoded = percent_decode(text);
  if (!decoded) throw malformed("the " + std::string(what) + " has a '%' that is not followed by two hex digits");
  if (!is_valid_utf8(*decoded)) throw malformed("the " + std::string(what) + " is not valid UTF-8");
  return std::move(*decoded);
}

void set_query(Request& request, std::string_view query) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto decode = [](std::string_view part) {
      std::string plain(part);
      std::ranges::replace(plain, '+', ' ');  // as forms write it; a plus sign itself comes as %2B
      return decode_clean(plain, "query");
    };
    request.query.emplace_back(decode(pair.substr(0, equals)),
                               equals == std::string_view::npos ? std::string() : decode(pair.substr(equals + 1)));
  }
}

}  // namespace

std::string_view to_string(Method method) { return kMethodNames[std::size_t(method)]; }

std::optional<Method> parse_method(std::string_view token) {
  const auto found = std::ranges::find(kMethodNames, token);
  if (found == kMethodNames.end()) return std::nullopt;
  return Method(found - kMethodNames.begin());
}

bool equal_ignoring_case(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

// ---- Headers

Headers::Headers(std::initializer_list<Field> fields) {
  for (const Field& field : fields) add(field.first, field.second);
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields_)
    if (equal_ignoring_case(key, name)) return value;
  return std::nullopt;
}

bool Headers::contains_token(std::string_view name, std::string_view token) const {
  for (const auto& [key, value] : fields_) {
    if (!equal_ignoring_case(key, name)) continue;
    std::string_view rest = value;
    for (;;) {
      const auto comma = rest.find(',');
      if (equal_ignoring_case(trim(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

void Headers::set(std::string_view name, std::string_view value) {
  check_field(name, value);
  remove(name);
  fields_.emplace_back(name, value);
}

void Headers::add(std::string_view name, std::string_view value) {
  check_field(name, value);
  fields_.emplace_back(name, value);
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const Field& field) { return equal_ignoring_case(field.first, name); });
}

// ---- Request and Response

std::optional<std::string> Request::query_value(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

Response json_response(int status, std::string body) {
  return Response{status, {{"Content-Type", "application/json"}}, std::move(body)};
}

void set_target(Request& request, std::string_view target) {
  request.target = target;
  request.path.clear();
  request.segments.clear();
  request.query.clear();
  if (target == "*" && request.method == Method::options) {  // RFC 9112 section 3.2.4
    request.path = "*";
    return;
  }
  if (!target.starts_with('/')) throw malformed("the request's target must begin with '/'");
  if (target.contains('#')) throw malformed("the request's target has a fragment");
  const auto mark = target.find('?');
  std::string_view path = target.substr(0, mark);
  request.path = decode_clean(path, "path");
  if (std::ranges::any_of(request.path, is_control)) throw malformed("the path has a control character");
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto end = std::min(path.find('/'), path.size());
    request.segments.push_back(*percent_decode(path.substr(0, end)));
    path.remove_prefix(end);
  }
  if (request.segments.size() == 1 && request.segments[0].empty()) request.segments.clear();  // '/' has none
  if (mark != std::string_view::npos) set_query(request, target.substr(mark + 1));
}

std::string_view status_text(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 423:
      return "Locked";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

// ---- Encodings

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const bool unreserved =
        (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || std::string_view("-._~").contains(c);
    if (unreserved) {
      result += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      result += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return result;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    result += char(high * 16 + low);
    i += 2;
  }
  return result;
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || i + length > text.size()) return false;
    char32_t point = lead & (0xff >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xc0) != 0x80) return false;
      point = (point << 6) | (byte & 0x3f);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff) return false;
    i += length;
  }
  return true;
}

std::string format_http_date(base::Instant at) {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
  char text[40];
  std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT", kDays[std::chrono::weekday(day).c_encoding()],
                unsigned(date.day()), kMonths[unsigned(date.month()) - 1], int(date.year()), int(time.hours().count()),
                int(time.minutes().count()), int(time.seconds().count()));
  return text;
}

}  // namespace slipway::net
