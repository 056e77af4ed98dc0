#include "observe/log.h"

#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <charconv>
#include <cmath>
#include <mutex>

#include "base/unique_fd.h"

namespace slipway::observe {

namespace {

constexpr std::array<std::string_view, 4> kLevelNames{"debug", "info", "warning", "error"};
constexpr mode_t kLogFileMode = 0640;                      // names and addresses of users are in it
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // for what is not UTF-8

void append_unicode_escape(std::string& out, unsigned point) {
  char text[8];
  std::snprintf(text, sizeof text, "\\u%04x", point);
  out += text;
}

// The length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none, and its code point.
std::pair<std::size_t, char32_t> decode_first(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || length > text.size()) return {0, 0};
  char32_t point = lead & (0xff >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0, 0};
    point = (point << 6) | (byte(i) & 0x3f);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  const bool valid = !overlong && (point < 0xd800 || point > 0xdfff) && point <= 0x10ffff;
  return valid ? std::pair(length, point) : std::pair(std::size_t(0), char32_t(0));
}

// Line separators, terminal controls and text that runs backwards would let data pretend to be something else.
bool is_deceptive(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
         (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto [length, point] = decode_first(text);
    if (length == 0) {
      out += kReplacement;
      text.remove_prefix(1);
      continue;
    }
    if (point == '"' || point == '\\') {
      out += '\\';
      out += char(point);
    } else if (point == '\n') {
      out += "\\n";
    } else if (point == '\t') {
      out += "\\t";
    } else if (is_deceptive(point)) {
      append_unicode_escape(out, unsigned(point));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
}

bool is_plain_word(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '='; });
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

void append_number(std::string& out, double number) {
  if (!std::isfinite(number)) return append_quoted(out, std::isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_value(std::string& out, LogFormat format, const Field::Value& value) {
  std::visit(
      [&](const auto& v) {
        using T = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          if (format == LogFormat::text && is_plain_word(v)) {
            out += v;
          } else {
            append_quoted(out, v);
          }
        } else if constexpr (std::is_same_v<T, bool>) {
          out += v ? "true" : "false";
        } else if constexpr (std::is_same_v<T, double>) {
          append_number(out, v);
        } else if constexpr (std::is_same_v<T, base::Instant>) {
          if (format == LogFormat::text) {
            out += base::format_rfc3339(v);
          } else {
            append_quoted(out, base::format_rfc3339(v));
          }
        } else if constexpr (std::is_same_v<T, base::Duration>) {
          out += std::to_string(v.count());
        } else {
          out += std::to_string(v);
        }
      },
      value);
}

std::string format_fields(LogFormat format, Fields fields) {
  std::string out;
  for (const Field& field : fields) {
    if (format == LogFormat::json) {
      out += ',';
      append_quoted(out, field.key());
      out += ':';
    } else {
      out += ' ';
      append_escaped(out, field.key());
      out += '=';
    }
    append_value(out, format, field.value());
  }
  return out;
}

class CallbackSink final : public spdlog::sinks::sink {
 public:
  explicit CallbackSink(Logger::Sink sink) : sink_(std::move(sink)) {}
  void log(const spdlog::details::log_msg& message) override {
    const std::lock_guard lock(mutex_);
    sink_(std::string_view(message.payload.data(), message.payload.size()));
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  std::mutex mutex_;
  Logger::Sink sink_;
};

spdlog::sink_ptr open_sink(const std::string& file) {
  spdlog::sink_ptr sink;
  if (file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    // Tried first: the library would make missing folders, which nobody asked for.
    const base::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kLogFileMode));
    if (!fd) throw base::system_error("opening the log file " + file, errno);
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
  }
  sink->set_pattern("%v");
  return sink;
}

}  // namespace

std::optional<Level> parse_level(std::string_view name) {
  const auto found = std::ranges::find(kLevelNames, name);
  if (found == kLevelNames.end()) return std::nullopt;
  return Level(found - kLevelNames.begin());
}

std::optional<LogFormat> parse_log_format(std::string_view name) {
  if (name == "text") return LogFormat::text;
  if (name == "json") return LogFormat::json;
  return std::nullopt;
}

std::string format_line(LogFormat format, base::Instant at, Level level, std::string_view sentence, Fields fields,
                        std::string_view fixed) {
  std::string line;
  line.reserve(160);
  if (format == LogFormat::json) {
    line.append(R"({"at":")").append(base::format_rfc3339(at)).append(R"(","level":")");
    line.append(kLevelNames[std::size_t(level)]).append(R"(","message":)");
    append_quoted(line, sentence);
    line.append(fixed).append(format_fields(format, fields)).append("}");
  } else {
    line.append(base::format_rfc3339(at)).append(" ").append(kLevelNames[std::size_t(level)]).append(" ");
    append_escaped(line, sentence);
    line.append(fixed).append(format_fields(format, fields));
  }
  return line;
}

// ---- Logger

struct Logger::Shared {
  Shared(Options opts, const base::Clock* time, spdlog::sink_ptr into)
      : options(std::move(opts)), clock(time), level(options.level), sink(std::move(into)) {}

  spdlog::sink_ptr current_sink() {
    const std::lock_guard lock(mutex);
    return sink;
  }

  const Options options;
  const base::Clock* clock;
  std::atomic<Level> level;
  std::mutex mutex;
  spdlog::sink_ptr sink;  // under the mutex; none: silent
};

Logger::Logger(Options options, const base::Clock& clock) {
  auto sink = open_sink(options.file);
  shared_ = std::make_shared<Shared>(std::move(options), &clock, std::move(sink));
}

Logger::Logger(Options options, const base::Clock& clock, Sink sink)
    : shared_(std::make_shared<Shared>(std::move(options), &clock, std::make_shared<CallbackSink>(std::move(sink)))) {}

Logger::Logger(std::shared_ptr<Shared> shared, std::string fixed)
    : shared_(std::move(shared)), fixed_(std::move(fixed)) {}

Logger::~Logger() = default;

bool Logger::enabled(Level level) const { return level >= shared_->level.load(std::memory_order_relaxed); }

void Logger::set_level(Level level) { shared_->level = level; }

void Logger::log(Level level, std::string_view sentence, Fields fields) const {
  if (!enabled(level)) return;
  const auto sink = shared_->current_sink();
  if (!sink) return;
  const std::string line = format_line(shared_->options.format, shared_->clock->now(), level, sentence, fields, fixed_);
  try {
    sink->log(spdlog::details::log_msg(spdlog::string_view_t(), spdlog::level::info,
                                       spdlog::string_view_t(line.data(), line.size())));
    sink->flush();
  } catch (const spdlog::spdlog_ex&) {
    // A full disk must not stop the work that is logged; there is nowhere left to say so.
  }
}

void Logger::error(std::string_view sentence, const base::Error& error, Fields fields) const {
  if (!enabled(Level::error)) return;
  const std::string text = error.message();
  const char* class_name = boost::describe::enum_to_string(error.error_class(), "");
  with({{"code", error.code()}, {"class", class_name}, {"reason", text}}).log(Level::error, sentence, fields);
}

Logger Logger::with(Fields fields) const {
  return Logger(shared_, fixed_ + format_fields(shared_->options.format, fields));
}

void Logger::flush() const {
  if (const auto sink = shared_->current_sink()) sink->flush();
}

void Logger::reopen() const {
  if (shared_->options.file.empty()) return;
  auto fresh = open_sink(shared_->options.file);
  const std::lock_guard lock(shared_->mutex);
  shared_->sink = std::move(fresh);
}

Logger silent_logger() { return Logger(std::make_shared<Logger::Shared>(Logger::Options(), nullptr, nullptr), {}); }

}  // namespace slipway::observe
