"""The breast by itself: compressed for mammography, in four density classes, with lesions."""

from physsim.body.breast.lesions import BreastMass, CalcificationCluster
from physsim.body.breast.pose import mammography_geometry
from physsim.body.breast.product import breast, breast_slabs, calibrated
from physsim.body.breast.spec import Breast

__all__ = ["Breast", "BreastMass", "CalcificationCluster", "breast", "breast_slabs", "calibrated",
           "mammography_geometry"]
