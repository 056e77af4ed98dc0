#include "notify/mail_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "net/http.h"

namespace slipway::notify {
namespace {

constexpr std::size_t kAddressMax = 254;  // RFC 5321 §4.5.3.1.3
constexpr std::size_t kLocalPartMax = 64;
constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kEncodedWordMax = 75;   // RFC 2047 §2
constexpr std::size_t kLineMax = 76;          // RFC 2045 §6.7
constexpr std::size_t kHeaderValueMax = 900;  // of those that are not ours: one line of at most 998
constexpr std::string_view kEnd = "\r\n";

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// RFC 5322 §3.2.3.
bool is_atom(std::string_view text) {
  constexpr std::string_view kSpecial = "!#$%&'*+-/=?^_`{|}~";
  return !text.empty() &&
         std::ranges::all_of(text, [&](char c) { return is_letter_or_digit(c) || kSpecial.contains(c); });
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= kLabelMax && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c < 0x80; });
}

// Every part between dots.
template <class Check>
bool all_parts(std::string_view text, Check check) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find('.', begin), text.size());
    if (!check(text.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c < 0x7f; });
}

std::string_view domain_of(std::string_view address) { return address.substr(address.rfind('@') + 1); }

// No control character, and UTF-8: else it could not be shown, or would be another header.
void check_text(std::string_view field, const std::string& text) {
  if (!net::is_valid_utf8(text)) throw base::validation_error(field, "is not UTF-8");
  if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; }))
    throw base::validation_error(field, "must not have line breaks or other control characters");
}

// "Jane Doe" <jane@example.com>
std::string mailbox(const std::string& name, const std::string& address, std::size_t used) {
  if (name.empty()) return "<" + address + ">";
  if (!is_ascii(name)) return encode_words(name, used).append(kEnd).append(" <" + address + ">");
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\" <" + address + ">";
}

// Thu, 05 Mar 2026 09:07:00 +0000
std::string format_date(base::Instant at) {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", kDays.at(std::chrono::weekday(day).c_encoding()),
                     unsigned(date.day()), kMonths.at(unsigned(date.month()) - 1), int(date.year()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

class Head {
 public:
  void add(std::string_view name, std::string_view value) {
    text_.append(name).append(": ").append(value).append(kEnd);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_further(Head& head, const Mail& mail) {
  constexpr std::array kOurs{
      "from",          "to",     "subject", "date", "message-id",  "mime-version", "content-type",
      "reply-to",      "sender", "cc",      "bcc",  "return-path", "received",     "content-transfer-encoding",
      "auto-submitted"};
  for (const auto& [name, value] : mail.headers) {
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    const bool is_name = !name.empty() && name.size() <= kLabelMax &&
                         std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '-'; });
    if (!is_name || std::ranges::find(kOurs, lower) != kOurs.end())
      throw base::validation_error("headers/" + lower, "is not a header that may be added");
    check_text("headers/" + lower, value);
    if (value.size() > kHeaderValueMax) throw base::validation_error("headers/" + lower, "is too long");
    head.add(name, encode_words(value, name.size() + 2));
  }
}

void add_part(std::string& body, const std::string& boundary, std::string_view type, std::string_view text) {
  body.append("--").append(boundary).append(kEnd);
  Head head;
  head.add("Content-Type", std::string(type) + "; charset=utf-8");
  head.add("Content-Transfer-Encoding", "quoted-printable");
  body.append(head.text()).append(kEnd).append(quoted_printable(text)).append(kEnd);
}

constexpr std::string_view kWordBegin = "=?UTF-8?B?", kWordEnd = "?=";

std::string encoded_word(std::string_view text) {
  return std::string(kWordBegin).append(base::base64(text)).append(kWordEnd);
}

// The longest beginning of whole characters that fits into one encoded word of `room` characters; one at least.
std::string_view beginning_that_fits(std::string_view text, std::size_t room) {
  constexpr std::size_t kAround = kWordBegin.size() + kWordEnd.size();
  const auto bytes = std::max<std::size_t>(1, (std::max(room, kAround + 4) - kAround) / 4 * 3);
  if (text.size() <= bytes) return text;
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  auto end = bytes;
  while (end > 0 && continues(end)) --end;
  if (end == 0)
    for (end = 1; end < text.size() && continues(end);) ++end;
  return text.substr(0, end);
}

}  // namespace

void validate_address(std::string_view field, const std::string& address) {
  const auto refuse = [&](std::string reason) { throw base::validation_error(field, std::move(reason)); };
  if (!is_ascii(address)) {
    const auto at = address.rfind('@');
    if (at != std::string::npos && is_ascii(address.substr(0, at)))
      refuse("has letters beyond ASCII in its domain: write it as xn--…");
    refuse("has letters beyond ASCII before the @, which many mail servers do not take");
  }
  if (address.size() > kAddressMax) refuse("is longer than " + std::to_string(kAddressMax) + " characters");
  const auto at = address.rfind('@');
  if (at == std::string::npos) refuse("is not an e-mail address: it has no @");
  const auto local = std::string_view(address).substr(0, at);
  if (local.size() > kLocalPartMax || !all_parts(local, is_atom) || !all_parts(domain_of(address), is_label))
    refuse("is not an e-mail address such as jane@example.com");
}

std::string message_id_of(const MailSettings& settings, const Mail& mail) {
  const auto& id = mail.message_id;
  const auto whole = id.contains('@') ? id : id + "@" + std::string(domain_of(settings.sender));
  const auto at = whole.rfind('@');
  if (whole.size() > kAddressMax || !all_parts(std::string_view(whole).substr(0, at), is_atom) ||
      !all_parts(domain_of(whole), is_atom))
    throw base::validation_error("message_id", "is no id such as run_01@example.com");
  return whole;
}

std::string compose_mail(const MailSettings& settings, const Mail& mail, base::Instant now) {
  validate_address("to", mail.to);
  check_text("subject", mail.subject);
  if (!net::is_valid_utf8(mail.text) || !net::is_valid_utf8(mail.html))
    throw base::validation_error("text", "is not UTF-8");
  const auto id = message_id_of(settings, mail);
  constexpr std::size_t kBoundaryDigits = 32;
  // Quoted-printable has no '=_' in it, so no part can hold the boundary.
  const auto boundary = "=_" + base::sha256_hex(id).substr(0, kBoundaryDigits);
  Head head;
  head.add("Date", format_date(now));
  head.add("From", mailbox(settings.sender_name, settings.sender, std::string_view("From: ").size()));
  head.add("To", "<" + mail.to + ">");
  if (!settings.reply_to.empty()) head.add("Reply-To", "<" + settings.reply_to + ">");
  head.add("Subject", encode_words(mail.subject, std::string_view("Subject: ").size()));
  head.add("Message-ID", "<" + id + ">");
  head.add("Auto-Submitted", "auto-generated");  // RFC 3834: no out-of-office answers
  add_further(head, mail);
  head.add("MIME-Version", "1.0");
  head.add("Content-Type", "multipart/alternative;\r\n boundary=\"" + boundary + "\"");
  std::string message = head.text();
  message.append(kEnd);
  add_part(message, boundary, "text/plain", mail.text);
  add_part(message, boundary, "text/html", mail.html);
  return message.append("--").append(boundary).append("--").append(kEnd);
}

std::string encode_words(std::string_view text, std::size_t used) {
  constexpr std::size_t kPlainMax = 900;  // longer lines are folded, which only encoded words can be anywhere
  const bool looks_encoded = text.contains("=?");
  if (is_printable(text) && text.size() + used <= kPlainMax && !looks_encoded) return std::string(text);
  std::string encoded;
  while (!text.empty()) {
    const auto room = encoded.empty() ? kEncodedWordMax - std::min(used, kEncodedWordMax / 2) : kEncodedWordMax;
    const auto word = beginning_that_fits(text, room);
    if (!encoded.empty()) encoded.append(kEnd).append(" ");
    encoded.append(encoded_word(word));
    text.remove_prefix(word.size());
  }
  return encoded;
}

std::string quoted_printable(std::string_view text) {
  std::string encoded;
  std::size_t column = 0;
  const auto put = [&](std::string_view piece) {
    if (column + piece.size() > kLineMax - 1) {  // room for the '=' of the soft line break
      encoded.append("=").append(kEnd);
      column = 0;
    }
    encoded.append(piece);
    column += piece.size();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool ends_line = c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    if (ends_line) {
      if (c == '\r') ++i;
      encoded.append(kEnd);
      column = 0;
      continue;
    }
    const auto next = i + 1 < text.size() ? text[i + 1] : '\n';
    const bool at_end = next == '\n' || next == '\r';
    const bool is_blank = c == ' ' || c == '\t';
    const bool is_plain = (c > ' ' && c < 0x7f && c != '=') || (is_blank && !at_end);
    put(is_plain ? std::string(1, char(c)) : fmt::format("={:02X}", c));
  }
  return encoded;
}

}  // namespace slipway::notify
