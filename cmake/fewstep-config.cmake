# SPDX-License-Identifier: Apache-2.0
# find_package(fewstep [COMPONENTS io image]) gives fewstep::fewstep, fewstep::io and fewstep::image.
include(CMakeFindDependencyMacro)
find_dependency(Eigen3 3.4 NO_MODULE)
find_dependency(OpenMP COMPONENTS CXX)

include(${CMAKE_CURRENT_LIST_DIR}/fewstep-targets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/fewstep-components.cmake)

foreach(component IN LISTS fewstep_FIND_COMPONENTS)
  if(TARGET fewstep::${component})
    set(fewstep_${component}_FOUND TRUE)
  elseif(fewstep_FIND_REQUIRED_${component})
    set(fewstep_FOUND FALSE)
    set(fewstep_NOT_FOUND_MESSAGE
      "component ${component}: install its packages (io: nlohmann_json; image: libjpeg and libpng)")
  endif()
endforeach()
