"""The names people give the columns of their lists, per field; the best known first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_WORDS: Final = """
customer_number  客户号 本店客户编号 客户代码 客户卡号 customernumber customerno
source_id        客户编号 来源系统客户编号 客户id 系统编号 档案号 dms客户编号 dms编号 customerid externalid id
source_id        customernumberatthesource
name             姓名 客户姓名 客户名称 车主姓名 车主 客户 名称 联系人 送修人 客户名
name             name customername customer fullname owner ownername
phone            手机 手机号 手机号码 电话 联系电话 电话号码 移动电话 车主手机 车主电话 客户手机 客户电话 联系方式
phone            送修人电话 号码 mobile phone phonenumber mobilephone telephone tel cell number
phone_2          其他电话 备用电话 第二电话 电话2 手机2 家庭电话 固定电话 座机 单位电话
phone_2          phone2 otherphone secondphone homephone workphone landline
honorific        性别 称谓 称呼 gender sex title
kind             客户类型 客户性质 性质 customertype type
language         语言 语种 language
key_account      大客户 重点客户 vip keyaccount
source           客户来源 来源渠道 信息来源 获客渠道 source leadsource
note             备注 说明 客户备注 note notes remark remarks comment
vin              车架号 vin vin码 车辆识别代号 车辆识别码 底盘号 车架号vin chassis chassisnumber frameno
plate            车牌 车牌号 车牌号码 牌照 牌照号 plate platenumber licenseplate registration regno
brand            品牌 车辆品牌 厂牌 brand make
model            车型 车型名称 车辆型号 车系 型号 model vehiclemodel carmodel
delivered_on     交车日期 交付日期 购车日期 交车时间 提车日期 购车时间 销售日期
delivered_on     deliverydate deliveredon delivered purchasedate saledate
mileage          里程 里程数 行驶里程 公里数 进厂里程 当前里程 里程km mileage odometer km
last_service_on  上次保养 上次保养日期 最近保养 最近保养日期 末次保养日期 上次进厂 上次进厂日期 最后进厂日期
last_service_on  lastservice lastservicedate lastserviceon
role             角色 关系 与车关系 人员类型 role relation
bought_on        开票日期 发票日期 合同日期 订单日期 签约日期 invoicedate boughton contractdate
price            成交价 成交价格 车价 购车价格 裸车价 车款 发票金额 开票金额 价税合计 price saleprice
payment          付款方式 支付方式 购车方式 payment paymentmethod paidby
invoice          发票号 发票号码 发票编号 机动车发票号 invoice invoiceno invoicenumber
order_number     工单号 维修工单号 委托书号 结算单号 单号 工单编号
order_number     ordernumber orderno repairorder ro ronumber workorder
visited_on       进厂日期 维修日期 开单日期 来店日期 服务日期 进厂时间 开单时间 维修时间 日期
visited_on       visitdate visitedon servicedate opened openeddate date
closed_on        结算日期 出厂日期 交车日期 完工日期 结算时间 closed closeddate closedon
work             维修项目 维修类型 维修类别 服务项目 业务类型 维修内容 项目 work jobtype service description
amount           金额 总金额 结算金额 实收金额 应收金额 费用 amount total cost price
advisor          服务顾问 接待员 接车员 sa 顾问 advisor serviceadvisor
label            类型 电话类型 号码类型 label phonetype type
purpose          用途 拒绝内容 退订内容 purpose topic
channel          渠道 方式 channel
since            登记日期 退订日期 拒绝日期 日期 date since optoutdate
proof            依据 来源 凭证 备注 说明 proof source note remark
"""


def _table() -> Mapping[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for line in _WORDS.split("\n"):
        field, *names = line.split() or [""]
        if names:
            table[field] = (*table.get(field, ()), *names)
    return table


#: Field to names.
NAMES: Final = _table()
