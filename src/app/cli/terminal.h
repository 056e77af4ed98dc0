#pragma once
// The terminal: colours, width, raw mode, and a last word on Ctrl-C.

#include <termios.h>

#include <optional>
#include <string>
#include <string_view>

namespace slipway::app::cli {

// Colours, or the text as it is.
class Style {
 public:
  explicit Style(bool coloured) : coloured_(coloured) {}
  bool is_coloured() const { return coloured_; }
  std::string green(std::string_view text) const { return paint("32", text); }
  std::string red(std::string_view text) const { return paint("31", text); }
  std::string yellow(std::string_view text) const { return paint("33", text); }
  std::string cyan(std::string_view text) const { return paint("36", text); }
  std::string dim(std::string_view text) const { return paint("2", text); }
  std::string bold(std::string_view text) const { return paint("1", text); }
  // By what a status of a workspace, run or step means: green done, yellow on its way, red broken.
  std::string status(std::string_view status) const;

 private:
  std::string paint(std::string_view code, std::string_view text) const;
  bool coloured_;
};

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};
// Of the terminal behind `fd`; the default when there is none.
TerminalSize terminal_size(int fd);

// Text from elsewhere without what a terminal would obey: control characters and broken UTF-8 become '?'.
std::string printable(std::string_view text);
// Columns taken by UTF-8 text, counting each code point as one; colour sequences count nothing.
std::size_t display_width(std::string_view text);
// The first `columns` code points of text without colours; a cut is shown by '…'.
std::string fit(std::string_view text, std::size_t columns);

// While it lives, the terminal behind `fd` hands every key to us (cfmakeraw). It is restored when this goes, and also
// when a signal ends the process (HUP, INT, TERM, QUIT, ABRT, SEGV, BUS): a shell whose terminal stays raw is unusable.
// One at a time.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);  // throws when `fd` is no terminal
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
};

// While it lives, Ctrl-C prints `message` on stderr and ends the program with code 130. One at a time.
class InterruptNotice {
 public:
  explicit InterruptNotice(std::string message);
  ~InterruptNotice();
  InterruptNotice(const InterruptNotice&) = delete;
  InterruptNotice& operator=(const InterruptNotice&) = delete;
};

}  // namespace slipway::app::cli
