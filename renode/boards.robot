*** Comments ***
What these tests prove, on Renode's own Terminal Tester instead of this project's Python: that each board prints PASS for
all 65,536 pairs through every function, and that Renode's count of executed instructions is repeatable.

Build the images first, then run them:
    hilbert-codegen run renode/boards.toml --emulator renode --keep build/firmware --board all
    renode-test renode/boards.robot --variable FIRMWARE:$PWD/build/firmware

*** Settings ***
Suite Setup       Setup
Suite Teardown    Teardown
Test Setup        Reset Emulation
Test Teardown     Test Teardown
Resource          ${RENODEKEYWORDS}
Library           OperatingSystem
Test Template     Board Should Pass All Pairs

*** Variables ***
${FIRMWARE}       ${CURDIR}/../build/firmware
${IMAGE}          default/run256.elf
# Left by "run" only where this Renode lacks an instruction of the Helium variant.
${PORTABLE}       DEPTH_USE_MVE=0/run256.elf

*** Keywords ***
Load Board
    [Arguments]    ${board}    ${script}
    ${lacking}=    Run Keyword And Return Status    File Should Exist    ${FIRMWARE}/${board}/${PORTABLE}
    ${image}=    Set Variable If    ${lacking}    ${PORTABLE}    ${IMAGE}
    Log To Console    ${\n}${board}: ${image}
    ${there}=    Run Keyword And Return Status    File Should Exist    ${FIRMWARE}/${board}/${image}
    Skip If    not ${there}    no image ${FIRMWARE}/${board}/${image}: make it with hilbert-codegen run --keep (see above)
    Execute Command    $name="${board}"
    Execute Command    $bin=@${{"${FIRMWARE}/${board}/${image}".replace(" ", "\\ ")}}
    Execute Command    include @${{"${CURDIR}/${script}".replace(" ", "\\ ")}}

Board Should Pass All Pairs
    [Arguments]    ${board}    ${script}    ${uart}
    Load Board    ${board}    ${script}
    Create Terminal Tester    sysbus.${uart}    timeout=60
    Start Emulation
    ${first}=    Wait For Line On Uart    HC begin
    Log To Console    ${\n}${board}: ${first.Line}
    ${decode}=    Wait For Line On Uart    HC path decode rows=256
    Should Contain    ${decode.Line}    bad=0
    ${block}=    Wait For Line On Uart    HC path decode_block rows=256
    Should Contain    ${block.Line}    bad=0
    ${tails}=    Wait For Line On Uart    HC tails lengths=42
    Should Contain    ${tails.Line}    bad=0
    ${end}=    Wait For Line On Uart    HC end
    Should Be Equal    ${end.Line}    HC end PASS
    Log To Console    ${board}: proved: all 65,536 pairs equal the exact table through decode and decode_block

*** Test Cases ***    BOARD    SCRIPT    UART
STM32F4 Discovery, Cortex-M4    stm32f4_discovery    stm32f4_discovery.resc    usart2
Nucleo H753ZI, Cortex-M7        nucleo_h753zi        nucleo_h753zi.resc        usart3
nRF52840 DK, Cortex-M4          nrf52840dk           nrf52840dk.resc           uart0
STM32L072, Cortex-M0+           stm32l072            stm32l072.resc            usart2
STM32L552, Cortex-M33           stm32l552            stm32l552.resc            lpuart1
EK-RA8M1, Cortex-M85            ek_ra8m1             ek_ra8m1.resc             sci9
Cortex-M0 alone                 microbit             cortex-m0.resc            uart
Cortex-M3 alone                 mps2-an385           cortex-m3.resc            uart
Cortex-M23 alone                generic-m23          cortex-m23.resc           uart
Cortex-M55 alone                mps3-an547           cortex-m55.resc           uart
