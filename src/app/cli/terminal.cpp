#include "app/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

// What the signal handlers need: they can be given nothing else than statics. Written before the handler is set.
termios g_saved_mode;
int g_raw_fd = -1;
std::array<char, 512> g_notice;
std::size_t g_notice_size = 0;

constexpr std::array kEndingSignals{SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS};

extern "C" void restore_terminal_and_die(int signal) {
  if (g_raw_fd >= 0) ::tcsetattr(g_raw_fd, TCSADRAIN, &g_saved_mode);
  ::raise(signal);  // SA_RESETHAND: now with its default action
}

extern "C" void say_notice_and_exit(int) {
  const ssize_t unused = ::write(STDERR_FILENO, g_notice.data(), g_notice_size);
  (void)unused;
  ::_exit(130);
}

void set_handler(int signal, void (*handler)(int), int flags) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigaction(signal, &action, nullptr);
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string Style::paint(std::string_view code, std::string_view text) const {
  if (!coloured_ || text.empty()) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string Style::status(std::string_view status) const {
  constexpr std::array<std::string_view, 4> kGood{"READY", "completed", "running", "resolved"};
  constexpr std::array<std::string_view, 5> kBad{"ERROR", "failed", "compensation_failed", "cancelled", "critical"};
  constexpr std::array<std::string_view, 4> kUnderWay{"PROVISIONING", "waiting", "compensating", "warning"};
  const auto is_one_of = [&](const auto& names) { return std::ranges::find(names, status) != names.end(); };
  if (is_one_of(kGood)) return status == "running" ? cyan(status) : green(status);
  if (is_one_of(kBad)) return red(status);
  if (is_one_of(kUnderWay)) return yellow(status);
  return dim(status);
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  const bool is_utf8 = net::is_valid_utf8(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, written C2 80 to C2 9F, are control characters too.
    const bool is_c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_c1) ++i;
    const bool is_shown = byte >= 0x20 && byte != 0x7F && !is_c1 && (byte < 0x80 || is_utf8);
    clean.push_back(is_shown ? text[i] : '?');
  }
  return clean;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if (!is_continuation(text[i])) {
      ++width;
    }
  }
  return width;
}

std::string fit(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t end = 0;
  for (std::size_t points = 0; end < text.size(); ++end)
    if (!is_continuation(text[end]) && ++points == columns) break;
  return std::string(text.substr(0, end)) + "…";
}

RawTerminal::RawTerminal(int fd) {
  SLIPWAY_ASSERT(g_raw_fd < 0);
  if (::tcgetattr(fd, &g_saved_mode) != 0) throw base::system_error("cannot read the terminal's mode", errno);
  termios raw = g_saved_mode;
  ::cfmakeraw(&raw);
  g_raw_fd = fd;
  for (const int signal : kEndingSignals) set_handler(signal, restore_terminal_and_die, SA_RESETHAND | SA_NODEFER);
  if (::tcsetattr(fd, TCSADRAIN, &raw) != 0) throw base::system_error("cannot set the terminal's mode", errno);
}

RawTerminal::~RawTerminal() {
  ::tcsetattr(g_raw_fd, TCSADRAIN, &g_saved_mode);
  for (const int signal : kEndingSignals) set_handler(signal, SIG_DFL, 0);
  g_raw_fd = -1;
}

InterruptNotice::InterruptNotice(std::string message) {
  g_notice_size = std::min(message.size(), g_notice.size());
  std::memcpy(g_notice.data(), message.data(), g_notice_size);
  set_handler(SIGINT, say_notice_and_exit, 0);
}

InterruptNotice::~InterruptNotice() { set_handler(SIGINT, SIG_DFL, 0); }

}  // namespace slipway::app::cli
