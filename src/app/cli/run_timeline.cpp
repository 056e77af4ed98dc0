#include "app/cli/run_timeline.h"

#include <algorithm>
#include <array>

#include "app/cli/run_progress.h"

namespace slipway::app::cli {
namespace {

constexpr std::size_t kNameMax = 32;
constexpr std::size_t kTimeWidth = 7;
constexpr std::size_t kBarMin = 10, kBarMax = 60;
constexpr std::size_t kMargin = 2, kMark = 2, kGap = 2;

struct Glyphs {
  std::string_view done, shaded, hollow, left, right;
  std::array<std::string_view, 7> eighths;  // how far the last cell of a bar is filled; empty: it is or is not
};
constexpr Glyphs kUnicode{"█", "▒", "·", "▏", "▕", {"▏", "▎", "▍", "▌", "▋", "▊", "▉"}};
constexpr Glyphs kAscii{"#", "-", ".", "|", "|", {}};

// What the columns are worth: the run from its start to its end, or to now.
struct Scale {
  base::Instant from, to;
  std::size_t cells = kBarMin;

  double cell(base::Instant at) const {
    const auto whole = std::max<std::int64_t>((to - from).count(), 1);
    const auto part = std::clamp<std::int64_t>((at - from).count(), 0, whole);
    return double(part) * double(cells) / double(whole);
  }
};

bool is_under_way(const StepView& step) {
  return step.status == "running" || step.status == "waiting" || step.status == "compensating";
}

std::string repeated(std::string_view glyph, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += glyph;
  return text;
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t taken = display_width(text);
  if (taken < width) text.append(width - taken, ' ');
  return text;
}

std::string painted(const StepView& step, const std::string& bar, const Style& style) {
  if (step.status == "completed") return style.green(bar);
  if (step.status == "failed" || step.status == "cancelled" || step.status == "compensation_failed")
    return style.red(bar);
  if (step.status == "waiting" || step.status == "compensating") return style.yellow(bar);
  return step.status == "running" ? style.cyan(bar) : style.dim(bar);
}

// The cells of a step that has begun: at least something of one, wherever it is.
std::string filled(const StepView& step, base::Instant end, const Scale& scale, const Glyphs& glyphs) {
  const double begin = scale.cell(*step.started_at);
  const double stop = std::max(scale.cell(end), begin);
  const auto first = std::min(std::size_t(begin), scale.cells - 1);
  std::string bar(first, ' ');
  const auto& glyph = step.status == "waiting" ? glyphs.shaded : glyphs.done;
  const double length = stop - double(first);
  auto whole = std::min(std::size_t(length), scale.cells - first);
  const auto eighth = std::size_t((length - double(whole)) * 8);
  if (glyphs.eighths[0].empty() || step.status == "waiting") {
    if (whole == 0 || length - double(whole) >= 0.5) whole = std::min(whole + 1, scale.cells - first);
    return bar + repeated(glyph, whole);
  }
  bar += repeated(glyph, whole);
  if (first + whole < scale.cells && (eighth > 0 || whole == 0))
    bar += glyphs.eighths[std::clamp<std::size_t>(eighth, 1, 7) - 1];
  return bar;
}

std::string bar_of(const StepView& step, base::Instant now, const Scale& scale, const Canvas& canvas,
                   const Glyphs& glyphs) {
  if (!step.started_at || step.status == "pending")
    return canvas.style.dim(repeated(glyphs.hollow, step.status == "pending" ? scale.cells : 0));
  if (step.taken_over.value_or(false)) return "";
  const auto end = step.completed_at ? *step.completed_at : is_under_way(step) ? now : *step.started_at;
  return painted(step, filled(step, end, scale, glyphs), canvas.style);
}

std::string axis(const Scale& scale, std::size_t indent, const Canvas& canvas) {
  const std::string end = base::format_duration((scale.to - scale.from) / 10 * 10);
  std::string line(indent, ' ');
  line += "0s";
  const std::size_t at = indent + scale.cells + 2 - std::min(scale.cells, display_width(end));
  return canvas.style.dim(padded(std::move(line), at) + end);
}

Scale scale_of(const RunView& run, base::Instant now) {
  Scale scale{.from = run.started_at.value_or(now), .to = run.completed_at.value_or(now)};
  for (const StepView& step : run.steps)  // a step may be undone after the run's last event was told
    if (step.completed_at) scale.to = std::max(scale.to, *step.completed_at);
  return scale;
}

}  // namespace

bool has_unicode(const Invocation& invocation) {
  const auto value = [&](const char* name) { return invocation.world.environment(name).value_or(""); };
  if (const auto term = value("TERM"); term == "dumb" || term == "linux") return false;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string locale = value(name);
    if (locale.empty()) continue;
    std::ranges::transform(locale, locale.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;  // the C locale
}

std::vector<std::string> timeline_lines(const RunView& run, base::Instant now, int frame, const Canvas& canvas) {
  const Glyphs& glyphs = canvas.unicode ? kUnicode : kAscii;
  std::size_t name_width = 0;
  for (const StepView& step : run.steps)
    name_width = std::max(name_width, std::min(display_width(printable(step.name)), kNameMax));
  const std::size_t before_bar = kMargin + kMark + name_width + kGap;
  // Half of what is left is for the bars, the rest for what there is to say.
  const std::size_t taken = before_bar + 2 + kGap + kTimeWidth + kGap;
  const std::size_t left = canvas.columns > taken ? canvas.columns - taken : 0;
  Scale scale = scale_of(run, now);
  scale.cells = std::clamp(std::max(left / 2, std::min(left, kBarMin)), std::size_t(1), kBarMax);

  const auto cut = [&](const std::string& text, std::size_t columns) {
    if (canvas.unicode || display_width(text) <= columns) return fit(text, columns);
    return columns == 0 ? std::string() : text.substr(0, columns - 1) + "~";
  };
  std::vector<std::string> lines{axis(scale, before_bar, canvas)};
  for (const StepView& step : run.steps) {
    const auto words = step_words(step, now, frame, canvas.style, canvas.unicode);
    const std::string name = padded(cut(printable(step.name), name_width), name_width);
    std::string line = std::string(kMargin, ' ') + words.mark + " ";
    line += (step.status == "pending" ? canvas.style.dim(name) : name) + std::string(kGap, ' ');
    line += canvas.style.dim(glyphs.left) + padded(bar_of(step, now, scale, canvas, glyphs), scale.cells) +
            canvas.style.dim(glyphs.right) + std::string(kGap, ' ');
    line += canvas.style.dim(padded(words.elapsed, kTimeWidth)) + std::string(kGap, ' ');
    const std::size_t room = canvas.columns > taken + scale.cells ? canvas.columns - taken - scale.cells : 0;
    const std::string remark = cut(words.remark, room);
    line += step.error && !is_under_way(step) ? canvas.style.red(remark) : canvas.style.yellow(remark);
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace slipway::app::cli
