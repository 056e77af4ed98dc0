#include "runner/log_queue.h"

#include <algorithm>

#include "net/http.h"

namespace slipway::runner {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// How long the character at `at` is; 0 when it is none. RFC 3629.
std::size_t character_length(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
  if (length == 0 || lead == 0 || at + length > text.size()) return 0;
  return net::is_valid_utf8(text.substr(at, length)) ? length : 0;
}

// The greatest place up to `most` where a character begins.
std::size_t cut_before(std::string_view text, std::size_t most) {
  auto at = most;
  while (at > most - 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

std::string clean_utf8(std::string_view text) {
  if (text.find('\0') == text.npos && net::is_valid_utf8(text)) return std::string(text);
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto length = character_length(text, at);
    clean += length == 0 ? kReplacement : text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  return clean;
}

std::size_t LogQueue::weight(const Waiting& waiting) {
  return waiting.line.output.size() + waiting.line.stage.size() + 64;  // 64: the rest of the line
}

void LogQueue::push(fleet::LogLine line, base::Instant now) {
  const auto clean = clean_utf8(line.output);
  line.output.clear();
  std::string_view rest = clean;
  do {
    const auto end = std::min(rest.find('\n'), rest.size());
    auto one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (one.ends_with('\r')) one.remove_suffix(1);
    while (one.size() > limits_.line_bytes) {
      const auto cut = cut_before(one, limits_.line_bytes);
      push_one(line, one.substr(0, cut), now);
      one.remove_prefix(cut);
    }
    push_one(line, one, now);
  } while (!rest.empty());
}

void LogQueue::push_one(const fleet::LogLine& like, std::string_view output, base::Instant now) {
  waiting_.push_back({like, now});
  waiting_.back().line.output = output;
  bytes_ += weight(waiting_.back());
  full_ = full_ || waiting_.size() >= limits_.lines_max || bytes_ >= limits_.bytes_max;
}

std::optional<base::Instant> LogQueue::due() const {
  if (waiting_.empty()) return std::nullopt;
  const auto since = waiting_.front().since;
  return waiting_.size() >= limits_.flush_lines ? since : since + limits_.debounce;
}

LogQueue::Batch LogQueue::batch() const {
  Batch batch{.first = first_};
  std::size_t bytes = 0;
  for (const auto& waiting : waiting_) {
    bytes += weight(waiting);
    if (batch.lines.size() == limits_.batch_lines || (bytes > limits_.batch_bytes && !batch.lines.empty())) break;
    batch.lines.push_back(waiting.line);
  }
  return batch;
}

void LogQueue::acknowledge(std::int64_t next) {
  while (first_ < next && !waiting_.empty()) {
    bytes_ -= weight(waiting_.front());
    waiting_.pop_front();
    ++first_;
  }
  if (waiting_.size() <= limits_.lines_max / 2 && bytes_ <= limits_.bytes_max / 2) full_ = false;
}

}  // namespace slipway::runner
