#include "fleet/template.h"

#include <future>

#include "base/digest.h"
#include "fleet/blob.h"
#include "fleet/job_queue.h"
#include "fleet/testing/blocked_writer.h"
#include "fleet/testing/template_world.h"

namespace slipway::fleet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kAlice;
using testing::kBob;
using testing::kNow;
using namespace std::chrono_literals;

using Values = std::map<std::string, std::string>;

class Templates : public testing::TemplateWorld {
 protected:
  Templates() {
    write([&](Transaction& tx) {
      put_blob(tx, base::sha256_hex("archive"), "archive", kNow);
      insert_template(tx, subject());
    });
  }

  static Template subject() {
    return {.id = TemplateId("tpl_1"),
            .name = "docker",
            .display_name = "Docker",
            .owner_id = kBob,
            .created_at = kNow,
            .updated_at = kNow};
  }

  static TemplateVersion draft(const std::string& id) {
    return {.id = TemplateVersionId("tpv_" + id),
            .template_id = TemplateId("tpl_1"),
            .template_name = "docker",
            .archive = base::sha256_hex("archive"),
            .provisioner = "terraform",
            .tags = {{"site", "a"}},
            .created_by = kBob,
            .created_at = kNow};
  }
  TemplateVersion push(const std::string& id, const Values& values = {}, bool promote = true, Instant at = kNow) {
    auto version = draft(id);
    version.promote = promote;
    version.created_at = at;
    write([&](Transaction& tx) { insert_version(tx, sealer_, version, values); });
    return version;
  }
  void finish(const TemplateVersion& version) {
    write([&](Transaction& tx) { finish_import(tx, version.id, outcome(), kNow + 1s); });
  }
  static ImportOutcome outcome() {
    return {.start_resources = {{.address = "a.b", .type = "a", .name = "b", .daily_cost = 3}}, .start_daily_cost = 3};
  }
  TemplateVersion stored(const TemplateVersion& version) {
    TemplateVersion found;
    read([&](Transaction& tx) { found = get_version(tx, version.id); });
    return found;
  }
  Template stored() {
    Template found;
    read([&](Transaction& tx) { found = get_template(tx, "docker"); });
    return found;
  }
  std::vector<NamedValue> parse(const TemplateVersion& version, const ParsedTemplate& parsed) {
    std::vector<NamedValue> values;
    write([&](Transaction& tx) { values = keep_parsed(tx, sealer_, version.id, parsed); });
    return values;
  }
};
INSTANTIATE_TEST_SUITE_P(On, Templates, testing::kBothDatabases, testing::database_name);

ParsedTemplate parsed() {
  return {.variables = {{.name = "image", .type = "string", .default_value = R"("debian")"},
                        {.name = "token", .type = "string", .required = true, .sensitive = true},
                        {.name = "sizes", .type = "list(number)", .default_value = "[1,2]"},
                        {.name = "note", .type = "string", .default_value = "null"},
                        {.name = "cpus", .type = "number"},
                        {.name = "slipway_transition", .type = "string", .required = true}},
          .parameters = {{.name = "cpus", .type = ParameterType::number, .required = true}},
          .readme = "# Docker",
          .tags = {{"site", "b"}, {"gpu", "yes"}}};
}

TEST_P(Templates, AreFoundByNameAndById) {
  read([](Transaction& tx) {
    EXPECT_EQ(get_template(tx, "docker").id, TemplateId("tpl_1"));
    EXPECT_EQ(find_template(tx, std::string("tpl_1"))->display_name, "Docker");
    EXPECT_FALSE(find_template(tx, std::string("other")));
    EXPECT_EQ(list_templates(tx, {}).size(), 1u);
    EXPECT_THAT(list_templates(tx, {.after = "docker"}), IsEmpty());
  });
}

TEST_P(Templates, HaveUniqueNames) {
  auto again = subject();
  again.id = TemplateId("tpl_2");
  EXPECT_EQ(refusal_of([&](Transaction& tx) { insert_template(tx, again); }).code(), "CONFLICT");
  again.name = "Not A Label";
  EXPECT_EQ(refusal_of([&](Transaction& tx) { insert_template(tx, again); }).code(), "VALIDATION_ERROR");
}

TEST_P(Templates, VersionsAreNumberedUnlessTheyAreNamed) {
  EXPECT_EQ(push("a").name, "v1");
  auto named = draft("b");
  named.name = "v3";
  write([&](Transaction& tx) { insert_version(tx, sealer_, named, {}); });
  EXPECT_EQ(push("c").name, "v4");
  named.id = TemplateVersionId("tpv_d");
  EXPECT_EQ(refusal_of([&](Transaction& tx) { insert_version(tx, sealer_, named, {}); }).code(), "CONFLICT");
  named.name = "../x";
  EXPECT_EQ(refusal_of([&](Transaction& tx) { insert_version(tx, sealer_, named, {}); }).code(), "VALIDATION_ERROR");
}

TEST_P(Templates, AVersionNeedsItsArchive) {
  auto version = draft("a");
  version.archive = base::sha256_hex("never uploaded");
  EXPECT_EQ(refusal_of([&](Transaction& tx) { insert_version(tx, sealer_, version, {}); }).code(), "VALIDATION_ERROR");
}

// RUN-22: names, types and defaults as parsed; what nobody sets at a push is not among them.
TEST_P(Templates, VariablesGetWhatWasPushedOrTheirDefault) {
  const auto version = push("a", {{"token", "hush"}});
  const auto values = parse(version, parsed());
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(values[0].value, "debian");
  EXPECT_EQ(values[1].value, "hush");
  EXPECT_TRUE(values[1].sensitive);
  EXPECT_EQ(values[2].value, "[1,2]");
  const auto kept = stored(version);
  EXPECT_EQ(kept.parsed->variables.size(), 4u);
  EXPECT_EQ(kept.parsed->readme, "# Docker");
  EXPECT_EQ(kept.tags, (Values{{"site", "a"}, {"gpu", "yes"}}));
  read([&](Transaction& tx) { EXPECT_EQ(version_values(tx, sealer_, kept).size(), 3u); });
}

// RUN-14
TEST_P(Templates, MissingUnknownAndUnfitValuesOfVariablesAreNamed) {
  const auto code_of = [&](const std::string& id, const Values& values) {
    const auto version = push(id, values);
    return refusal_of([&](Transaction& tx) { keep_parsed(tx, sealer_, version.id, parsed()); });
  };
  const auto missing = code_of("a", {});
  EXPECT_EQ(missing.code(), "REQUIRED_TEMPLATE_VARIABLES");
  EXPECT_EQ(json::print_value(missing.details()), R"({"names":["token"]})");
  EXPECT_EQ(code_of("b", {{"token", "x"}, {"tokne", "x"}}).code(), "UNKNOWN_TEMPLATE_VARIABLES");
  EXPECT_EQ(code_of("c", {{"token", "x"}, {"cpus", "1"}}).code(), "UNKNOWN_TEMPLATE_VARIABLES");
  EXPECT_EQ(code_of("d", {{"token", "x"}, {"sizes", "1,2"}}).code(), "INVALID_TEMPLATE_VARIABLE");
}

// RUN-17
TEST_P(Templates, PushedValuesAreSealed) {
  push("a", {{"token", "hush"}});
  read([](Transaction& tx) {
    const auto row = tx.query("SELECT sealed_values FROM template_versions").front();
    EXPECT_EQ(row.text(0).find("hush"), std::string::npos);
  });
}

TEST_P(Templates, AnImportMakesItsVersionReadyAndActive) {
  const auto version = push("a");
  write([&](Transaction& tx) { start_import(tx, version.id, RunId("run_1"), JobId("job_1")); });
  finish(version);
  const auto kept = stored(version);
  EXPECT_EQ(kept.status, VersionStatus::ready);
  EXPECT_EQ(kept.job_id, JobId("job_1"));
  EXPECT_EQ(kept.outcome->start_daily_cost, 3);
  EXPECT_EQ(stored().active_version_id, version.id);
  EXPECT_THAT(told(), ElementsAre("template.created", "template.version.created", "template.version.ready",
                                  "template.promoted"));
}

TEST_P(Templates, AVersionThatIsNotToBePromotedWaitsForIt) {
  const auto version = push("a", {}, false);
  finish(version);
  EXPECT_FALSE(stored().active_version_id);
  write([&](Transaction& tx) {
    auto locked = lock_template(tx, "docker");
    promote(tx, locked, get_version(tx, version.id), kNow);
  });
  EXPECT_EQ(stored().active_version_id, version.id);
}

TEST_P(Templates, AnEarlierPushThatIsReadyLaterDoesNotTakeOver) {
  const auto first = push("a"), second = push("b", {}, true, kNow + 1s);
  finish(second);
  finish(first);
  EXPECT_EQ(stored(first).status, VersionStatus::ready);
  EXPECT_EQ(stored().active_version_id, second.id);
}

TEST_P(Templates, AnyReadyVersionCanBeRolledBackTo) {
  const auto first = push("a"), second = push("b", {}, true, kNow + 1s);
  finish(first);
  finish(second);
  write([&](Transaction& tx) {
    auto locked = lock_template(tx, "docker");
    promote(tx, locked, get_version(tx, locked, "v1"), kNow);
  });
  EXPECT_EQ(stored().active_version, "v1");
  const auto third = push("c");
  const auto error = refusal_of([&](Transaction& tx) {
    auto locked = lock_template(tx, "docker");
    promote(tx, locked, get_version(tx, third.id), kNow);
  });
  EXPECT_EQ(error.code(), "INVALID_STATE_TRANSITION");
}

// RUN-13
TEST_P(Templates, AnImportEndsOnce) {
  const auto version = push("a");
  write([&](Transaction& tx) { fail_import(tx, version.id, VersionStatus::failed, {"CODE", "why"}, kNow); });
  finish(version);
  EXPECT_EQ(stored(version).status, VersionStatus::failed);
  EXPECT_EQ(stored(version).error->message, "why");
  EXPECT_FALSE(stored().active_version_id);
  EXPECT_THAT(parse(version, parsed()), IsEmpty());
  EXPECT_THAT(told(), ElementsAre("template.created", "template.version.created", "template.version.failed"));
}

TEST_P(Templates, AnImportThatFailedCanBeDoneAgain) {
  const auto version = push("a");
  write([&](Transaction& tx) {
    fail_import(tx, version.id, VersionStatus::failed, {"PROVISIONER_LOST", "why"}, kNow);
    start_import(tx, version.id, RunId("run_2"), JobId("job_2"));
  });
  EXPECT_EQ(stored(version).status, VersionStatus::importing);
  EXPECT_FALSE(stored(version).error);
  finish(version);
  EXPECT_EQ(stored().active_version, "v1");
}

TEST_P(Templates, NewWorkspacesGetTheActiveVersionOrANamedReadyOne) {
  const auto choose = [&](std::optional<std::string> name) {
    TemplateVersion version;
    try {
      write([&](Transaction& tx) { version = version_for_new_workspace(tx, get_template(tx, "docker"), name); });
    } catch (const base::Error& error) {
      return error.code();
    }
    return version.name;
  };
  EXPECT_EQ(choose({}), "INVALID_STATE_TRANSITION");
  finish(push("a"));
  push("b");
  EXPECT_EQ(choose({}), "v1");
  EXPECT_EQ(choose("v1"), "v1");
  EXPECT_EQ(choose("v2"), "INVALID_STATE_TRANSITION");
  EXPECT_EQ(choose("v3"), "NOT_FOUND");
  write([](Transaction& tx) {
    auto locked = lock_template(tx, "docker");
    locked.deprecated = "use podman";
    update_template(tx, locked, kNow);
  });
  EXPECT_EQ(choose({}), "TEMPLATE_DEPRECATED");
}

TEST_P(Templates, AreRemovedOnlyWhenNothingIsBuiltFromThem) {
  push("a");
  add_workspace("w");
  const auto remove = [](Transaction& tx) { remove_template(tx, lock_template(tx, "docker"), kNow); };
  EXPECT_EQ(refusal_of(remove).code(), "CONFLICT");
  write([](Transaction& tx) { tx.execute("DELETE FROM built_workspaces"); });
  write(remove);
  EXPECT_EQ(refusal_of(remove).code(), "NOT_FOUND");
  read([](Transaction& tx) { EXPECT_EQ(count_versions(tx, TemplateId("tpl_1")), 0); });
  EXPECT_EQ(told().back(), "template.deleted");
}

TEST_P(Templates, ListsOfVersionsAreNewestFirstAndBrief) {
  const auto first = push("a", {{"token", "x"}});
  parse(first, parsed());
  push("b", {}, true, kNow + 1s);
  read([](Transaction& tx) {
    const auto versions = list_versions(tx, TemplateId("tpl_1"), 0, 10);
    ASSERT_EQ(versions.size(), 2u);
    EXPECT_EQ(versions[0].name, "v2");
    EXPECT_FALSE(versions[1].parsed);
    EXPECT_EQ(list_versions(tx, TemplateId("tpl_1"), 1, 1).front().name, "v1");
  });
}

// ---- two at once

class TemplatesOfTwo : public Templates {
 protected:
  // `second` comes while `first` is at work on the template, from another replica where there can be one, and waits for
  // it. What it was refused with, if it was.
  std::optional<base::Error> meanwhile(store::Work first, store::Work second) {
    const auto elsewhere = GetParam() == store::Dialect::postgres ? store::open(url_) : nullptr;
    auto& other = elsewhere ? *elsewhere : *database_;
    std::future<void> later;
    write([&](Transaction& tx) {
      first(tx);
      if (!later.valid()) later = std::async(std::launch::async, [&] { other.write_and_wait(std::move(second)); });
      if (elsewhere) testing::await_blocked_writer(tx);
    });
    try {
      later.get();
    } catch (const base::Error& error) {
      return error;
    }
    return std::nullopt;
  }

  static void remove(Transaction& tx) { remove_template(tx, lock_template(tx, "docker"), kNow); }
  static void promote_first(Transaction& tx) {
    auto locked = lock_template(tx, "docker");
    promote(tx, locked, get_version(tx, locked, "v1"), kNow);
  }
  void make_workspace(Transaction& tx) {
    const auto version = version_for_new_workspace(tx, get_template(tx, "docker"), {});
    const auto nothing = sealer_.seal(base::Secret("{}"));
    tx.execute(
        "INSERT INTO built_workspaces (workspace_id, owner_id, template_id, version_id, build_number, daily_cost, "
        "sealed_parameters, updated_at) VALUES ('w', 'usr_alice', $1, $2, 1, 0, $3, 0)",
        {version.template_id.str(), version.id.str(), nothing});
  }
  void dry_run(Transaction& tx) {
    hold_template(tx, TemplateId("tpl_1"));
    NewJob job{.id = JobId("job_1"), .type = JobType::template_dry_run, .provisioner = "terraform"};
    job.template_id = TemplateId("tpl_1");
    insert_job(tx, sealer_, job, kNow);
  }
  std::int64_t workspaces_left() {
    std::int64_t count = 0;
    read([&](Transaction& tx) { count = count_workspaces_of(tx, TemplateId("tpl_1")); });
    return count;
  }
  std::int64_t versions_left() {
    std::int64_t count = 0;
    read([&](Transaction& tx) { count = count_versions(tx, TemplateId("tpl_1")); });
    return count;
  }
  store::Work makes_workspace() {
    return [this](Transaction& tx) { make_workspace(tx); };
  }
  store::Work pushes(TemplateVersion version) {
    return [this, version](Transaction& tx) {
      auto pushed = version;
      insert_version(tx, sealer_, pushed, {});
    };
  }
  store::Work ends_import_of(const TemplateVersion& version) {
    return [version](Transaction& tx) { finish_import(tx, version.id, outcome(), kNow + 1s); };
  }
};
INSTANTIATE_TEST_SUITE_P(On, TemplatesOfTwo, testing::kBothDatabases, testing::database_name);

TEST_P(TemplatesOfTwo, ARemovalFindsTheWorkspaceThatItWaitedFor) {
  finish(push("a"));
  EXPECT_EQ(meanwhile(makes_workspace(), remove).value().code(), "CONFLICT");
  EXPECT_EQ(stored().active_version, "v1");
  EXPECT_EQ(versions_left(), 1);
}

TEST_P(TemplatesOfTwo, ARemovalFindsTheJobThatItWaitedFor) {
  finish(push("a"));
  EXPECT_EQ(meanwhile([this](Transaction& tx) { dry_run(tx); }, remove).value().code(), "CONFLICT");
  EXPECT_EQ(versions_left(), 1);
}

TEST_P(TemplatesOfTwo, ANewWorkspaceFindsThatItsTemplateWasRemoved) {
  finish(push("a"));
  EXPECT_EQ(meanwhile(remove, makes_workspace()).value().code(), "NOT_FOUND");
  EXPECT_EQ(workspaces_left(), 0);
}

TEST_P(TemplatesOfTwo, APushFindsThatItsTemplateWasRemovedAndLeavesNothing) {
  EXPECT_EQ(meanwhile(remove, pushes(draft("a"))).value().code(), "NOT_FOUND");
  EXPECT_EQ(versions_left(), 0);
  EXPECT_EQ(told().back(), "template.deleted");
}

TEST_P(TemplatesOfTwo, ARemovalTakesThePushWithItThatItWaitedFor) {
  EXPECT_FALSE(meanwhile(pushes(draft("a")), remove));
  EXPECT_EQ(versions_left(), 0);
  finish(draft("a"));  // what still imports it changes nothing any more
  EXPECT_EQ(told().back(), "template.deleted");
}

TEST_P(TemplatesOfTwo, APushBesideAPromotionLosesNeither) {
  finish(push("a", {}, false));
  EXPECT_FALSE(meanwhile(promote_first, pushes(draft("b"))));
  EXPECT_EQ(stored().active_version, "v1");
  EXPECT_EQ(stored(draft("b")).name, "v2");
}

TEST_P(TemplatesOfTwo, OfTwoImportsThatEndAtOnceTheLaterPushBecomesActive) {
  for (const bool later_ends_first : {true, false}) {
    const std::string mark = later_ends_first ? "-1" : "-2";
    const auto earlier = push("a" + mark), later = push("b" + mark, {}, true, kNow + 1s);
    const auto& first = later_ends_first ? later : earlier;
    const auto& second = later_ends_first ? earlier : later;
    EXPECT_FALSE(meanwhile(ends_import_of(first), ends_import_of(second)));
    EXPECT_EQ(stored().active_version_id, later.id);
    EXPECT_EQ(stored(earlier).status, VersionStatus::ready);
  }
}

TEST_P(TemplatesOfTwo, AnImportThatEndsBesideARollBackTakesOverAfterIt) {
  const auto first = push("a"), second = push("b", {}, true, kNow + 1s), third = push("c", {}, true, kNow + 2s);
  finish(first);
  finish(second);
  const auto version_before = stored().version;
  EXPECT_FALSE(meanwhile(promote_first, ends_import_of(third)));
  EXPECT_EQ(stored().active_version_id, third.id);
  EXPECT_EQ(stored().version, version_before + 2);
}

}  // namespace
}  // namespace slipway::fleet
