# SPDX-License-Identifier: Apache-2.0
# other_eigen(VERSION): the Eigen that is here, as a package that says to be of another version, as Eigen's own says it.
include(CMakePackageConfigHelpers)
function(other_eigen version)
  find_path(eigen_headers Eigen/Core PATH_SUFFIXES eigen3 REQUIRED)
  set(folder ${CMAKE_BINARY_DIR}/eigen-${version})
  write_basic_package_version_file(${folder}/Eigen3ConfigVersion.cmake VERSION ${version} COMPATIBILITY SameMajorVersion)
  file(WRITE ${folder}/Eigen3Config.cmake "add_library(Eigen3::Eigen INTERFACE IMPORTED)\n"
    "target_include_directories(Eigen3::Eigen INTERFACE ${eigen_headers})\n")
  set(Eigen3_DIR ${folder} CACHE PATH "" FORCE)
endfunction()
