# Brings the npm packages that the pages use, at the versions of a lock file.
#
#   slipway_npm_packages(FOLDER MANIFESTS)   in a CMakeLists.txt: MANIFESTS holds package.json and package-lock.json; defines
#                                            the file FOLDER/installed, on which those depend who read FOLDER/node_modules
#   cmake -DFOLDER=… -DMANIFESTS=… -P npm.cmake   what its build step runs
#
# Where npm is missing or the registry is out of reach, the step says so and succeeds without the packages. Then
# `installed` is not written, so that the next build tries again.

set(SLIPWAY_NPM_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(slipway_npm_packages folder manifests)
  add_custom_command(
    OUTPUT ${folder}/installed
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DMANIFESTS=${manifests} -P ${SLIPWAY_NPM_SCRIPT}
    DEPENDS ${manifests}/package.json ${manifests}/package-lock.json ${SLIPWAY_NPM_SCRIPT}
    COMMENT "Installing the npm packages of ${manifests}"
    VERBATIM)
endfunction()

# tools/build shows lines that begin with NOTE.
function(slipway_npm_go_without reason)
  file(REMOVE_RECURSE ${FOLDER}/node_modules)
  message(NOTICE "NOTE: ${reason}: the dashboard is built without its terminal.")
endfunction()

function(slipway_npm_install)
  file(REMOVE ${FOLDER}/installed)
  find_program(npm npm)
  if(NOT npm)
    slipway_npm_go_without("npm is not installed (on Debian: apt-get install npm)")
    return()
  endif()
  configure_file(${MANIFESTS}/package.json ${FOLDER}/package.json COPYONLY)
  configure_file(${MANIFESTS}/package-lock.json ${FOLDER}/package-lock.json COPYONLY)
  # No package runs a script of its own on this machine; the lock file holds the digest of each.
  execute_process(
    COMMAND ${npm} ci --ignore-scripts --no-audit --no-fund --omit=dev --fetch-retries=1 --fetch-retry-mintimeout=1000
    WORKING_DIRECTORY ${FOLDER} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(NOTICE "${output}")
    slipway_npm_go_without("npm could not fetch its packages")
    return()
  endif()
  file(TOUCH ${FOLDER}/installed)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  slipway_npm_install()
endif()
