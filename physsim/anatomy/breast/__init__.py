"""The breast by itself: compressed for mammography, in four density classes, with lesions."""

from physsim.anatomy.breast.lesions import BreastMass, CalcificationCluster
from physsim.anatomy.breast.pose import mammography_geometry
from physsim.anatomy.breast.product import breast, breast_slabs, calibrated
from physsim.anatomy.breast.spec import Breast

__all__ = ["Breast", "BreastMass", "CalcificationCluster", "breast", "breast_slabs", "calibrated",
           "mammography_geometry"]
