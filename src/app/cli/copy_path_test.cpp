#include "app/cli/copy_path.h"

#include <gtest/gtest.h>

#include "app/cli/escape.h"
#include "app/cli/table.h"
#include "app/cli/terminal.h"

namespace slipway::app::cli {
namespace {

TEST(CopyPath, AColonBeforeAnySlashNamesAWorkspace) {
  EXPECT_EQ(parse_copy_path("hello:a/b").workspace, "hello");
  EXPECT_EQ(parse_copy_path("hello:a/b").path, "a/b");
  EXPECT_EQ(parse_copy_path("hello:").path, "");
  EXPECT_EQ(parse_copy_path("hello:C:x").path, "C:x");
  EXPECT_FALSE(parse_copy_path("./a:b").workspace);
  EXPECT_FALSE(parse_copy_path(":b").workspace);
  EXPECT_FALSE(parse_copy_path("file").workspace);
  EXPECT_TRUE(parse_copy_path("-").is_standard());
  EXPECT_FALSE(parse_copy_path("hello:-").is_standard());
}

TEST(CopyPath, AFolderAsTargetTakesTheSourcesName) {
  EXPECT_EQ(upload_target("", "file"), "file");
  EXPECT_EQ(upload_target("in/", "file"), "in/file");
  EXPECT_EQ(upload_target("in", "file"), "in");
  EXPECT_EQ(inside("in", "file"), "in/file");
  EXPECT_EQ(base_name("a/b/"), "b");
  EXPECT_EQ(base_name("/a/b/."), "b");
  EXPECT_EQ(base_name(".."), "");
  EXPECT_EQ(base_name("/"), "");
  EXPECT_EQ(base_name("."), "");
  EXPECT_EQ(base_name("~"), "");
}

TEST(Escape, TildeDotAtTheBeginningOfALineLeaves) {
  EXPECT_TRUE(EscapeDetector().feed("~.").leave);
  EscapeDetector escape;
  EXPECT_EQ(escape.feed("ls\r").bytes, "ls\r");
  EXPECT_EQ(escape.feed("~").bytes, "");
  EXPECT_TRUE(escape.feed(".").leave);
}

TEST(Escape, AnyOtherTildeIsText) {
  EscapeDetector escape;
  EXPECT_EQ(escape.feed("cd ~.\r").bytes, "cd ~.\r");
  EXPECT_EQ(escape.feed("~/x\r").bytes, "~/x\r");
  EXPECT_EQ(escape.feed("~~.\r").bytes, "~.\r");
  EXPECT_EQ(escape.feed("~\r").bytes, "~\r");
}

TEST(Text, FromElsewhereCannotSteerTheTerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\r\n"), "a?[31mb??");
  EXPECT_EQ(printable("grün …"), "grün …");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m");
  EXPECT_EQ(printable("broken \xff"), "broken ?");
}

TEST(Text, IsCutByCodePoints) {
  EXPECT_EQ(display_width("\x1b[31mgrün\x1b[0m"), 4u);
  EXPECT_EQ(fit("grün", 4), "grün");
  EXPECT_EQ(fit("grünes", 4), "grü…");
  EXPECT_EQ(fit("x", 0), "");
}

TEST(Text, AgesAreShort) {
  const base::Instant now = base::from_unix_ms(1'000'000'000'000);
  EXPECT_EQ(age(now - std::chrono::seconds(61), now), "61s");
  EXPECT_EQ(age(now - std::chrono::minutes(5), now), "5m");
  EXPECT_EQ(age(now - std::chrono::hours(47), now), "47h");
  EXPECT_EQ(age(now - std::chrono::hours(49), now), "2d");
  EXPECT_EQ(age(now + std::chrono::hours(1), now), "now");  // clocks differ
}

}  // namespace
}  // namespace slipway::app::cli
