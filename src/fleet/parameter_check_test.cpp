#include "fleet/parameter_check.h"

#include <gtest/gtest.h>

namespace slipway::fleet {
namespace {

using Given = std::map<std::string, std::string>;

TemplateParameter number(std::string name) {
  return {.name = std::move(name), .type = ParameterType::number, .minimum = 1, .maximum = 16};
}

// VALUE, or CODE field: reason
std::string outcome(const TemplateParameter& parameter, const Given& given,
                    const std::vector<NamedValue>& previous = {}) {
  try {
    const auto values = resolve_parameters({parameter}, given, previous);
    return values.empty() ? "(none)" : values.front().value;
  } catch (const base::Error& error) {
    return error.code() + " " + std::string(error.details().at("field").as_string()) + ": " + error.message();
  }
}

// RUN-24
TEST(ParameterCheck, TakesTheGivenValueElseTheOneBeforeElseTheDefault) {
  auto cpus = number("cpus");
  cpus.default_value = "2";
  EXPECT_EQ(outcome(cpus, {}), "2");
  EXPECT_EQ(outcome(cpus, {}, {{"cpus", "4"}}), "4");
  EXPECT_EQ(outcome(cpus, {{"cpus", "8"}}, {{"cpus", "4"}}), "8");
  EXPECT_EQ(outcome(number("cpus"), {}), "(none)");
}

TEST(ParameterCheck, AnEphemeralValueIsForOneBuild) {
  auto reset = TemplateParameter{.name = "reset", .type = ParameterType::boolean, .default_value = "false"};
  reset.ephemeral = true;
  EXPECT_EQ(outcome(reset, {}, {{"reset", "true"}}), "false");
  EXPECT_TRUE(remembered_parameters({reset}, {{"reset", "true"}}).empty());
  EXPECT_EQ(remembered_parameters({number("cpus")}, {{"cpus", "2"}, {"gone", "x"}}).size(), 1u);
}

// RUN-24: what is taken away needs values, too, and no rule keeps it alive.
TEST(ParameterCheck, AStopGetsWhatTheLastStartHadElseTheDefaultElseAnyValueOfTheType) {
  using Values = std::vector<NamedValue>;
  const auto names_and_values = [](const Values& values) {
    std::map<std::string, std::string> map;
    for (const auto& value : values) map[value.name] = value.value;
    return map;
  };
  std::vector<TemplateParameter> parameters{
      number("cpus"),
      {.name = "reset", .type = ParameterType::boolean, .required = true, .ephemeral = true},
      {.name = "token", .default_value = "none", .ephemeral = true, .sensitive = true}};
  EXPECT_EQ(names_and_values(carried_parameters(parameters, {{"cpus", "99"}}, {{"reset", "true"}, {"cpus", "4"}})),
            (Given{{"cpus", "99"}, {"reset", "true"}, {"token", "none"}}));
  EXPECT_TRUE(carried_parameters(parameters, {}, {{"token", "hush"}}).back().sensitive);
  parameters.front().required = true;
  parameters.push_back({.name = "size", .required = true, .options = {{.value = "small"}}});
  parameters.push_back({.name = "tags", .type = ParameterType::list, .required = true});
  parameters.push_back({.name = "note", .required = true, .pattern = "x+"});
  EXPECT_EQ(
      names_and_values(carried_parameters(parameters, {}, {})),
      (Given{{"cpus", "1"}, {"reset", "false"}, {"token", "none"}, {"size", "small"}, {"tags", "[]"}, {"note", ""}}));
}

TEST(ParameterCheck, AnImmutableValueStaysOnceItIsSet) {
  auto zone = TemplateParameter{.name = "zone", .default_value = "a"};
  zone.is_mutable = false;
  EXPECT_EQ(outcome(zone, {{"zone", "b"}}), "b");
  EXPECT_EQ(outcome(zone, {{"zone", "b"}}, {{"zone", "b"}}), "b");
  EXPECT_TRUE(outcome(zone, {{"zone", "c"}}, {{"zone", "b"}}).starts_with("VALIDATION_ERROR parameters/zone"));
}

TEST(ParameterCheck, RefusesWhatIsNotOfTheTypeOrOutOfBounds) {
  for (const auto* wrong : {"", "x", "0", "17", "1e400", "nan", "4 ", "0x4"})
    EXPECT_TRUE(outcome(number("cpus"), {{"cpus", wrong}}).starts_with("VALIDATION_ERROR parameters/cpus")) << wrong;
  EXPECT_EQ(outcome(number("cpus"), {{"cpus", "2.5"}}), "2.5");
  EXPECT_EQ(outcome(number("cpus"), {{"cpus", "16"}}), "16");
  const TemplateParameter flag{.name = "flag", .type = ParameterType::boolean};
  EXPECT_EQ(outcome(flag, {{"flag", "true"}}), "true");
  EXPECT_TRUE(outcome(flag, {{"flag", "yes"}}).starts_with("VALIDATION_ERROR parameters/flag"));
}

TEST(ParameterCheck, RefusesWhatIsNoneOfTheOptions) {
  const TemplateParameter size{.name = "size",
                               .options = {{.name = "Small", .value = "s"}, {.name = "Large", .value = "l"}}};
  EXPECT_EQ(outcome(size, {{"size", "s"}}), "s");
  EXPECT_TRUE(outcome(size, {{"size", "m"}}).starts_with("VALIDATION_ERROR parameters/size"));
  auto several = size;
  several.type = ParameterType::list;
  EXPECT_EQ(outcome(several, {{"size", R"(["s","l"])"}}), R"(["s","l"])");
  for (const auto* wrong : {"s", R"(["m"])", "[1]", "{}"})
    EXPECT_TRUE(outcome(several, {{"size", wrong}}).starts_with("VALIDATION_ERROR")) << wrong;
}

TEST(ParameterCheck, RefusesWhatDoesNotFitThePatternInTheAuthorsWords) {
  TemplateParameter name{.name = "name", .pattern = "[a-z]+", .pattern_error = "only letters, please"};
  EXPECT_EQ(outcome(name, {{"name", "abc"}}), "abc");
  EXPECT_NE(outcome(name, {{"name", "abc1"}}).find("only letters, please"), std::string::npos);
  EXPECT_TRUE(outcome(name, {{"name", std::string(100'000, 'a')}}).starts_with("VALIDATION_ERROR"));
  EXPECT_TRUE(outcome(name, {{"name", "abc\n"}}).starts_with("VALIDATION_ERROR")) << "as a whole";
  name.pattern = "[";
  EXPECT_THROW(resolve_parameters({name}, {{"name", "abc"}}, {}), base::Error);
}

// Backtracking would not end before the sun does.
TEST(ParameterCheck, NoTextKeepsAPatternBusy) {
  const TemplateParameter name{.name = "name", .pattern = "([a-z0-9]+-?)*"};
  const std::string text(4'000, 'a');
  EXPECT_EQ(outcome(name, {{"name", text}}), text);
  EXPECT_TRUE(outcome(name, {{"name", text + "!"}}).starts_with("VALIDATION_ERROR parameters/name"));
}

TEST(ParameterCheck, APatternThatCouldKeepUsBusyIsNone) {
  for (const auto* pattern : {"(a)\\1", "a(?=b)", "(?<!a)b", "(a{1000}){1000}", "[", "("})
    EXPECT_THROW(resolve_parameters({{.name = "p", .pattern = pattern}}, {{"p", "ab"}}, {}), base::Error) << pattern;
}

// RUN-14
TEST(ParameterCheck, NamesWhatIsMissingAndWhatIsUnknown) {
  auto needed = number("cpus");
  needed.required = true;
  EXPECT_TRUE(outcome(needed, {}).starts_with("MISSING_TEMPLATE_PARAMETER parameters/cpus"));
  EXPECT_TRUE(outcome(needed, {{"cpu", "4"}}).starts_with("VALIDATION_ERROR parameters/cpu:"));
}

// A template may change: what was right before is looked at again.
TEST(ParameterCheck, ChecksRememberedValuesToo) {
  EXPECT_TRUE(outcome(number("cpus"), {}, {{"cpus", "32"}}).starts_with("VALIDATION_ERROR parameters/cpus"));
}

TEST(ParameterCheck, SensitiveValuesAreNotQuoted) {
  auto pin = number("pin");
  pin.sensitive = true;
  EXPECT_EQ(outcome(pin, {{"pin", "hush"}}).find("hush"), std::string::npos);
  EXPECT_TRUE(resolve_parameters({pin}, {{"pin", "4"}}, {}).front().sensitive);
}

}  // namespace
}  // namespace slipway::fleet
